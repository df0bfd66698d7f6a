/**
 * Server-sent events, made of the pieces of a stream.
 */

/** An event, its data not yet read. */
export interface IServerEvent {
  readonly id: string;
  readonly data: string;
}

/** The largest event that is taken, in characters. */
const LIMIT = 512 * 1024;

/**
 * Makes events of the pieces of a text, in whatever places it was cut. Our own server
 * writes one line for each field, and ends lines with a line feed only.
 */
export class EventParser {
  /**
   * Return the events that a piece completes.
   *
   * @throws Error if an event is too large.
   */
  feed(piece: string): IServerEvent[] {
    const parts = (this._rest + piece).split('\n\n');
    this._rest = parts.pop() ?? '';
    if (this._rest.length > LIMIT) {
      throw new Error('An event is too large.');
    }
    return parts.map(parse).filter(event => event.data !== '');
  }

  private _rest = '';
}

function parse(text: string): IServerEvent {
  const fields = new Map(
    text.split('\n').map(line => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
    })
  );
  return { id: fields.get('id') ?? '', data: fields.get('data') ?? '' };
}
