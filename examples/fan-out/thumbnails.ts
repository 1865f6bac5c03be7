import type { Reseolio } from "reseolio";

export const SIZES = ["small", "medium", "large"] as const;
export type Size = (typeof SIZES)[number];

export interface ImageStore {
  /** Replaces an existing image. Returns its address. */
  writeResized(imageId: string, size: Size): Promise<string>;
}

/** Creates all sizes of an image at once, each on any free worker and with its own retries. */
export function defineThumbnails(reseolio: Reseolio, images: ImageStore) {
  const resize = reseolio.durable(
    reseolio.namespace("media", "image", "resize"),
    async (imageId: string, size: Size) => ({ size, url: await images.writeResized(imageId, size) }),
  );
  return reseolio.durable(reseolio.namespace("media", "image", "thumbnails"), async (imageId: string) => {
    const jobs = await Promise.all(SIZES.map((size) => resize(imageId, size)));
    return Promise.all(jobs.map((job) => job.result()));
  });
}
