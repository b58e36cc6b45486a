/** Bytes that arrived and were not consumed yet. */
export class Input {
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#chunks.push(bytes);
  }

  /** The next piece and where its unread part begins. */
  get next(): { readonly chunk: Uint8Array; readonly offset: number } | undefined {
    const chunk = this.#chunks[0];
    return chunk && { chunk, offset: this.#offset };
  }

  /** The next piece is read up to there. */
  advance(to: number): void {
    if (to < (this.#chunks[0]?.length ?? 0)) this.#offset = to;
    else {
      this.#chunks.shift();
      this.#offset = 0;
    }
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#offset = 0;
  }

  /** Bytes held. */
  get size(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0) - this.#offset;
  }
}
