/** From any file that this browser can show to a small picture: upright, scaled to what the model sees, without EXIF. */

import { Trouble } from "./trouble.js";

const MOST_FILE_BYTES = 60_000_000; // What this browser is asked to open.
const QUALITIES = [0.92, 0.8, 0.6];

/** {blob, width, height, name}, within the service's limits. Throws Trouble: it is no picture, or too large a file. */
export async function picture(file, limits) {
  const name = file.name ?? "";
  if (file.size > MOST_FILE_BYTES) throw new Trouble("heavy", { detail: name });
  const canvas = await drawn(file, Math.min(limits.max_pixels, limits.max_picture_pixels));
  const blob = await encoded(canvas, file.type === "image/png", limits);
  if (!blob) throw new Trouble("heavy", { detail: name });
  return { blob, width: canvas.width, height: canvas.height, name };
}

async function drawn(file, mostPixels) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new Trouble("notPicture", { detail: file.name });
  });
  const scale = Math.min(1, Math.sqrt(mostPixels / (bitmap.width * bitmap.height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(bitmap.width * scale));
  canvas.height = Math.max(1, Math.floor(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // Behind what is transparent, as the service does it.
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** Drawings and screenshots stay as sharp as they are where that is cheap; null when nothing is small enough. */
async function encoded(canvas, lossless, { max_picture_bytes, max_pictures, max_body_bytes }) {
  if (lossless) {
    const png = await toBlob(canvas, "image/png");
    // A third is added by base64; so many of them and some words stay below the limit together.
    if (png.size <= Math.min(max_picture_bytes, max_body_bytes / max_pictures / 2)) return png;
  }
  for (const quality of QUALITIES) {
    const jpeg = await toBlob(canvas, "image/jpeg", quality);
    if (jpeg.size <= max_picture_bytes) return jpeg;
  }
  return null;
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
