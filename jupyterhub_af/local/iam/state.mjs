/**
 * The state folder's files: read whole, written aside and renamed, 0600.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Read a JSON file; a missing one gives `fallback`. */
export function readJson(file, fallback) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' && fallback !== undefined) return fallback;
    throw error;
  }
}

/** Read a one-line secret. */
export function readSecret(file) {
  const secret = readFileSync(file, 'utf8').trim();
  if (!secret) throw new Error(`The file ${file} is empty; it must hold a secret.`);
  return secret;
}

/** Write JSON so that a reader sees the old file or the new one, never half of it. */
export function writeJson(file, value) {
  const aside = path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}`);
  writeFileSync(aside, JSON.stringify(value, null, 1), { mode: 0o600, flag: 'wx' });
  renameSync(aside, file);
}
