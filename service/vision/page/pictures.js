/** From any file that this browser can show to a small picture: upright, scaled to what the model sees, without EXIF. */

export const MOST_IN_A_CONVERSATION = 8;
const MOST_PIXELS = 1_300_000; // The service scales larger ones down to this.
const MOST_FILE_BYTES = 60_000_000;
const MOST_PNG_BYTES = 1_000_000; // Eight of them, in base64, stay below the service's 20 MB.

/** {blob, width, height, name}. Throws when it is no picture. */
export async function picture(file) {
  if (file.size > MOST_FILE_BYTES) throw new RangeError("the file is too large");
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)));
  const width = Math.max(1, Math.floor(bitmap.width * scale));
  const height = Math.max(1, Math.floor(bitmap.height * scale));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // Behind what is transparent, as the service does it.
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { blob: await encoded(canvas, file.type === "image/png"), width, height, name: file.name ?? "" };
}

/** Drawings and screenshots stay as sharp as they are where that is cheap. */
async function encoded(canvas, lossless) {
  const png = lossless ? await toBlob(canvas, "image/png") : null;
  return png && png.size <= MOST_PNG_BYTES ? png : toBlob(canvas, "image/jpeg", 0.92);
}

function toBlob(canvas, type, quality) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture came out"))), type, quality);
  });
}

/** A data URL, the only form in which the service takes a picture. */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
