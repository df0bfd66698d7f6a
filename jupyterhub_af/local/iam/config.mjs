/**
 * What one run of the demo IAM is told: the configuration file, checked once.
 */
import { readJson } from './state.mjs';
import { PROFILES } from './claims.mjs';

/** A problem the person who started the program can mend. */
export class ConfigError extends Error {}

const isText = (value) => typeof value === 'string' && value !== '';
const isPort = (value) => Number.isInteger(value) && value > 0 && value < 65536;
const isSeconds = (value) => Number.isInteger(value) && value > 0;
const isFlag = (value) => typeof value === 'boolean';
const isUrlList = (value) => Array.isArray(value) && value.length > 0
  && value.every((item) => isText(item) && URL.canParse(item));

const KEYS = {
  host: [isText, 'an address to listen on'],
  port: [isPort, 'a port number'],
  control_port: [isPort, 'a port number'],
  issuer: [(value) => isText(value) && URL.canParse(value) && value.endsWith('/'), 'a URL that ends in "/"'],
  profile: [(value) => Object.hasOwn(PROFILES, value), `one of ${Object.keys(PROFILES).join(', ')}`],
  organisation: [isText, 'a name'],
  state_dir: [isText, 'a folder'],
  node_modules: [isText, 'a folder'],
  client_id: [isText, 'a name'],
  client_secret_file: [isText, 'a file'],
  redirect_uris: [isUrlList, 'a list of URLs'],
  control_token_file: [isText, 'a file'],
  access_token_seconds: [isSeconds, 'a whole number of seconds'],
  id_token_seconds: [isSeconds, 'a whole number of seconds'],
  rotate_refresh_tokens: [isFlag, 'true or false'],
};

/** Read the file; every problem at once, in words. */
export function loadConfig(file) {
  let config;
  try {
    config = readJson(file);
  } catch (error) {
    throw new ConfigError(`The configuration ${file} cannot be read: ${error.code ?? 'it is not JSON'}.`);
  }
  const problems = Object.keys(config)
    .filter((key) => !Object.hasOwn(KEYS, key))
    .map((key) => `"${key}" is not a known key.`);
  for (const [key, [isGood, expected]] of Object.entries(KEYS)) {
    if (!isGood(config[key])) problems.push(`"${key}" must be ${expected}.`);
  }
  if (problems.length) throw new ConfigError(`The configuration ${file} is wrong. ${problems.join(' ')}`);
  return Object.freeze(config);
}
