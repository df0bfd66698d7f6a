/**
 * The demo IAM: `node server.mjs CONFIG.json`.
 *
 * Prints one line, `{"ready": true}`, once both ports listen. Exit codes: 2 for
 * a wrong configuration or state folder, 3 for a taken port.
 */
import { Accounts } from './accounts.mjs';
import { TokenStore } from './adapter.mjs';
import { ConfigError, loadConfig } from './config.mjs';
import { Control } from './control.mjs';
import { Counts } from './counts.mjs';
import { offerExchange } from './exchange.mjs';
import { Interactions } from './interaction.mjs';
import { Keys } from './keys.mjs';
import { PublicPort } from './outage.mjs';
import { loadLibrary, makeFindAccount, makeProvider } from './provider.mjs';
import { Shape } from './shape.mjs';
import { readSecret } from './state.mjs';

/** Say something to whoever started the program; never a token, a secret or a claim. */
function tell(sentence) {
  process.stderr.write(`${sentence}\n`);
}

/** Keep the library's advice to developers off the two streams. */
function quieten() {
  delete process.env.DEBUG;
  const pass = (text) => {
    if (!String(text).startsWith('oidc-provider ')) tell(text);
  };
  console.info = pass;
  console.warn = pass;
}

/** Refuse names this server was not given: a page elsewhere may resolve to this address. */
function makeHostCheck(config) {
  const hosts = [
    `127.0.0.1:${config.port}`, `localhost:${config.port}`, new URL(config.issuer).host,
  ];
  return async (ctx, next) => {
    if (hosts.includes(ctx.get('host'))) await next();
    else ctx.throw(421, `This server answers only to ${hosts[0]}.`);
  };
}

function assemble(config, library) {
  const accounts = new Accounts(config);
  const store = new TokenStore(config.state_dir);
  const keys = new Keys(config.state_dir);
  const pages = new Interactions({ config, accounts });
  const provider = makeProvider(library, {
    config, accounts, store, renderError: pages.renderError,
  });
  offerExchange(provider, {
    library, keys, findAccount: makeFindAccount(library.errors, accounts),
  });
  pages.useProvider(provider);
  // messages may quote what was sent; the names are enough to find the place
  const tellError = (where) => (error) => tell(`${where}: ${error.name}.`);
  provider.on('server_error', (ctx, error) => tellError(`A request to ${ctx.oidc.route} failed`)(error));
  provider.on('error', tellError('A request failed'));
  provider.use(makeHostCheck(config));
  provider.use(pages.middleware);
  const counts = new Counts();
  provider.use(new Shape({
    config, accounts, keys, store, counts,
  }).middleware);
  const publicPort = new PublicPort({
    host: config.host, port: config.port, handler: provider.callback(), counts,
  });
  const token = readSecret(config.control_token_file);
  const control = new Control({
    config, token, accounts, keys, store, publicPort,
  });
  return { publicPort, control };
}

/** Start, or end with words and a code. */
async function main(configFile) {
  if (!configFile) throw new ConfigError('Say which configuration: node server.mjs CONFIG.json.');
  const config = loadConfig(configFile);
  const library = await loadLibrary(config.node_modules);
  const { publicPort, control } = assemble(config, library);
  await control.listen(config.control_port);
  await publicPort.listen();
  process.stdout.write('{"ready": true}\n');
}

/** Say why it did not start. */
function explain(error) {
  if (error.code === 'EADDRINUSE') {
    tell(`Port ${error.port} is taken by another program. Stop that program, or give the demo IAM another port.`);
    return 3;
  }
  if (error instanceof ConfigError) tell(error.message);
  else if (error.code === 'MODULE_NOT_FOUND') tell('oidc-provider is not in the "node_modules" folder. Install it there.');
  else tell(`The demo IAM did not start: ${error.message}`);
  return 2;
}

process.umask(0o077);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
quieten();
main(process.argv[2]).catch((error) => process.exit(explain(error)));
