// Server-sent events as the service writes them, cut out of whatever pieces arrive. Pure.

export type Frame = { data: string } | { comment: string };

/** Feed it text; it gives whole frames and keeps the rest. */
export class FrameCutter {
  #rest = "";

  cut(text: string): Frame[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    const frames: Frame[] = [];
    for (const line of lines) {
      if (line.startsWith("data:")) frames.push({ data: line.slice(5).trimStart() });
      else if (line.startsWith(":")) frames.push({ comment: line.slice(1).trim() });
    }
    return frames;
  }
}

export interface Place {
  /** Null where nobody is before one any more: a model was found, and is silent. */
  place: number | null;
  waitS: number | null;
}

/** "queued 3, about 12 s" → its place and wait, "waiting" → none; null for any other comment. */
export function placeOf(comment: string): Place | null {
  if (comment === "waiting") return { place: null, waitS: null };
  const found = /^queued (\d+), about (\d+) s$/.exec(comment);
  return found === null ? null : { place: Number(found[1]), waitS: Number(found[2]) };
}
