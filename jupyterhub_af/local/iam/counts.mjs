/**
 * How often the public port was asked: connections, requests by path, and grants
 * by their type. A connection that no request came over was cut or left hanging.
 */
export class Counts {
  #connections = 0;

  #requests = {};

  #grants = {};

  noteConnection() {
    this.#connections += 1;
  }

  noteRequest({ url }) {
    const [path] = url.split('?');
    this.#requests[path] = (this.#requests[path] ?? 0) + 1;
  }

  /** Count what the token endpoint was asked for, whether it was given or not. */
  noteGrant(type) {
    this.#grants[type] = (this.#grants[type] ?? 0) + 1;
  }

  toView() {
    return { connections: this.#connections, requests: this.#requests, grants: this.#grants };
  }
}
