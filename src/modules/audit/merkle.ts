import { createHash } from "node:crypto";

/** One complete subtree: node (level, idx) covers leaves [idx·2^level, (idx+1)·2^level). */
export interface TreeNode {
  readonly level: number;
  readonly idx: number;
  readonly hash: Uint8Array;
}

/** @see https://www.rfc-editor.org/rfc/rfc6962#section-2.1 */
export const leafHash = (canonical: string): Uint8Array =>
  createHash("sha256").update("\0").update(canonical).digest();

export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  createHash("sha256").update("\x01").update(left).update(right).digest();

/** The tree of a growing log, of which only the right edge is held: at most one subtree a level. */
export class TreeEdge {
  /** Largest subtree first; their sizes are the binary expansion of `size`. */
  readonly #peaks: TreeNode[] = [];
  #size = 0;

  /** The edge of a tree of `size` leaves, from what `bytes` gave. */
  static of(size: number, bytes: Uint8Array): TreeEdge {
    const edge = new TreeEdge();
    let covered = 0;
    let at = 0;
    // Arithmetic, not bit operations: a size may be beyond 2^32.
    for (let level = 52; level >= 0; level -= 1) {
      const leaves = 2 ** level;
      if (size - covered < leaves) continue;
      const hash = bytes.subarray(at, at + 32);
      edge.#peaks.push({ level, idx: covered / leaves, hash });
      covered += leaves;
      at += 32;
    }
    if (at !== bytes.length) throw new RangeError("tree edge does not fit its size");
    edge.#size = size;
    return edge;
  }

  get size(): number {
    return this.#size;
  }

  /** The hashes of the edge, largest subtree first, 32 bytes each. */
  bytes(): Uint8Array {
    return Buffer.concat(this.#peaks.map(({ hash }) => hash));
  }

  /** Appends a leaf; answers the nodes that it makes, the leaf first. */
  append(leaf: Uint8Array): TreeNode[] {
    let node: TreeNode = { level: 0, idx: this.#size, hash: leaf };
    const made = [node];
    while (this.#peaks.at(-1)?.level === node.level) {
      const left = this.#peaks.pop()!;
      node = { level: node.level + 1, idx: left.idx / 2, hash: nodeHash(left.hash, node.hash) };
      made.push(node);
    }
    this.#peaks.push(node);
    this.#size += 1;
    return made;
  }

  /** SHA-256 of nothing for an empty tree. */
  root(): Uint8Array {
    const last = this.#peaks.at(-1);
    if (!last) return createHash("sha256").digest();
    return this.#peaks
      .slice(0, -1)
      .reduceRight((right, { hash }) => nodeHash(hash, right), last.hash);
  }
}
