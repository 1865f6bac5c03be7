#!/bin/sh
# A durable function in shell: fetches a page and gives its size. Serve it, then call it:
#
#     reseolio work pages:fetch -- ./fetch-page.sh
#     reseolio jobs enqueue pages:fetch --args '["https://example.com/"]' --wait
#
# stdout is the result, here JSON. Exit code 0 is success, 75 asks for a later attempt, any other is a failure. stderr
# becomes the error's message.
set -eu

# One plain string; with jq: url=$(jq -r '.[0]')
url=$(printf '%s' "$RESEOLIO_ARGS" | sed -e 's/^\["//' -e 's/"\]$//')

# A name of its own for each attempt: an earlier one may still be writing when its worker was only cut off.
page=$(mktemp "${TMPDIR:-/tmp}/page-$RESEOLIO_JOB_ID-$RESEOLIO_ATTEMPT-XXXXXX")
trap 'rm -f "$page"' EXIT

status=$(curl --silent --max-time 20 --output "$page" --write-out '%{http_code}' "$url") || status=000
case $status in
  2*) printf '{"url":"%s","bytes":%d}\n' "$url" "$(wc -c <"$page")" ;;
  000 | 408 | 429 | 5*)
    echo "$url answered $status, trying again later" >&2
    exit 75
    ;;
  *)
    echo "$url answered $status" >&2
    exit 1
    ;;
esac
