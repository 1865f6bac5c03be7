/**
 * Preloaded into a daemon (`BUN_OPTIONS=--preload …`): its wall clock is wrong by as many milliseconds as
 * TEST_CLOCK_SKEW_MS says, as that of a machine without NTP.
 */
const skewMs = Number(process.env["TEST_CLOCK_SKEW_MS"] ?? "0");
const right = Date.now;
Date.now = () => right() + skewMs;
