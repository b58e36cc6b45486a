/**
 * What is wanted several times in one turn of the event loop and done once, at its end: what is gathered meanwhile goes in
 * one piece, since each piece costs more than what is in it.
 */

/** A function that has `work` done when the events that are there have been heard, once however often it is called until then. */
export function oncePerTurn(work: () => void): () => void {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    setImmediate(() => {
      due = false;
      work();
    });
  };
}
