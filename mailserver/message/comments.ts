/** Comments in structured header fields (RFC 5322 section 3.2.2). Pure. */

/** Outside a comment: a quoted string, a pair, a parenthesis, or what stands between. */
const OUTSIDE = /"(?:[^"\\]|\\.)*"|\\.|[()]|[^"\\()]+|./suy;
/** The same inside, where a quote is nothing special. */
const INSIDE = /\\.|[()]|[^\\()]+|./suy;

/** Comments nest, and quotes hide them. `open`: the last one does not end. */
export function withoutComments(text: string): { readonly plain: string; readonly open: boolean } {
  let depth = 0;
  let plain = "";
  for (let at = 0; at < text.length; ) {
    const pieces = depth > 0 ? INSIDE : OUTSIDE;
    pieces.lastIndex = at;
    const piece = pieces.exec(text)?.[0] ?? text.slice(at);
    at += piece.length;
    if (piece === "(") depth += 1;
    else if (piece === ")" && depth > 0) depth -= 1;
    else if (depth === 0) plain += piece;
  }
  return { plain, open: depth > 0 };
}
