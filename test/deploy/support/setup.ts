/**
 * One name for the images of one run, so that every file of the suite uses the image that the first one built. A name that is set
 * from outside keeps its images, for runs one after the other.
 */
import { randomBytes } from 'node:crypto';
import { IMAGES, removeImages } from './image.ts';

export function setup(): (() => Promise<void>) | undefined {
  if (process.env[IMAGES] !== undefined) return undefined;
  process.env[IMAGES] = randomBytes(4).toString('hex');
  return removeImages;
}
