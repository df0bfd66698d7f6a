/**
 * The public port and the ways it can be out of order. A listener of our own
 * stands before the HTTP server, so that an outage can begin below HTTP; after
 * its time the port recovers alone. Every call is counted, answered or not.
 */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const OUTAGE_KINDS = ['refuse', 'error', 'hang', 'half', 'tls', 'every-other'];
// a TLS record: fatal alert, handshake failure
const TLS_ALERT = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]);
const HALF = '{"half": "of an answer that';
const RETRY_MS = 100;

export class PublicPort {
  #kind = null;

  #answered = 0;

  #timer = null;

  #sockets = new Set();

  #handler;

  #http;

  #listener;

  constructor({
    host, port, handler, counts,
  }) {
    this.counts = counts;
    this.host = host;
    this.port = port;
    this.#handler = handler;
    this.#http = http.createServer((request, response) => this.#answer(request, response));
    this.#listener = net.createServer((socket) => this.#accept(socket));
  }

  /** Listen; reject when the port is taken. */
  listen() {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(this.port, this.host, () => {
        this.#listener.off('error', reject);
        resolve();
      });
    });
  }

  /** Be out of order for that long; 0 seconds ends it. */
  async setOutage(kind, seconds) {
    clearTimeout(this.#timer);
    await this.#begin(seconds > 0 ? kind : null);
    if (seconds > 0) this.#timer = setTimeout(() => this.#begin(null), seconds * 1000).unref();
  }

  async #begin(kind) {
    this.#kind = kind;
    // connections that are kept alive take part in the outage, and in its end
    for (const socket of this.#sockets) socket.destroy();
    if (kind === 'refuse') await this.#close();
    else await this.#ensureListening();
  }

  #close() {
    return new Promise((resolve) => {
      if (this.#listener.listening) this.#listener.close(() => resolve());
      else resolve();
    });
  }

  /** Listen again; another program may hold the port for a moment. */
  async #ensureListening() {
    while (!this.#listener.listening && this.#kind !== 'refuse') {
      try {
        await this.listen();
      } catch (error) {
        if (error.code !== 'EADDRINUSE') throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  #accept(socket) {
    this.counts.noteConnection();
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.#kind === 'tls') socket.end(TLS_ALERT);
    else if (this.#kind !== 'hang') this.#http.emit('connection', socket);
  }

  /** Tell whether this request gets a 503; half of them, in turn, for `every-other`. */
  #isOutOfOrder() {
    if (this.#kind !== 'every-other') return this.#kind === 'error';
    this.#answered += 1;
    return this.#answered % 2 === 1;
  }

  #answer(request, response) {
    this.counts.noteRequest(request);
    if (this.#isOutOfOrder()) {
      response.writeHead(503, { 'Content-Type': 'text/plain', Connection: 'close' });
      response.end('The identity provider is out of order.\n');
    } else if (this.#kind === 'half') {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': HALF.length * 2 });
      response.write(HALF);
    } else {
      this.#handler(request, response);
    }
  }
}
