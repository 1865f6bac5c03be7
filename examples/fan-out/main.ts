/**
 * Creates every size of some images.
 *
 *     bun main.ts cat.png dog.png
 */
import { Reseolio } from "reseolio";
import { defineThumbnails } from "./thumbnails.ts";

const reseolio = new Reseolio();
const makeThumbnails = defineThumbnails(reseolio, {
  writeResized: async (imageId, size) => `${size}/${imageId}`, // your image library here
});

await reseolio.start();
const jobs = await Promise.all(process.argv.slice(2).map((imageId) => makeThumbnails(imageId)));
for (const job of jobs) console.log((await job.result()).map(({ url }) => url).join(" "));
await reseolio.stop();
