/**
 * Reading a request's body, with a limit.
 */

/** The body was longer than allowed. */
export class BodyTooLarge extends Error {}

/** Read the whole body as text. */
export async function readBody(request, limit) {
  const chunks = [];
  let received = 0;
  for await (const chunk of request) {
    received += chunk.length;
    if (received > limit) throw new BodyTooLarge(`The body is longer than ${limit} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Read a form's fields; the last one wins where a name comes twice. */
export async function readForm(request) {
  const fields = new URLSearchParams(await readBody(request, 65_536));
  return Object.fromEntries(fields);
}
