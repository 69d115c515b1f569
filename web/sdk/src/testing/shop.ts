// The real binary, with a temporary data folder, for the duration of a test.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const BINARY = process.env['FUSION_BINARY'] ?? fileURLToPath(new URL('../../../../target/debug/fusion', import.meta.url));
const START_MS_MAX = 60_000;
const DEADLINE_MS = 10_000;

/** A running shop. */
export interface Shop {
  readonly url: string;
  /** A vendor token. */
  readonly vendor: string;
  /** Kills the server: with SIGKILL unless another signal is given. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same address and data folder. */
  start(): Promise<void>;
  /** Stops it and removes the data folder. */
  stop(): Promise<void>;
}

/** Starts a demo shop. */
export async function startShop(): Promise<Shop> {
  const folder = await mkdtemp(join(tmpdir(), 'fusion-sdk-'));
  let server = serve(folder, '127.0.0.1:0');
  const output = await untilReady(server);
  const url = /^http:\/\/\S+$/m.exec(output)?.[0] ?? '';
  const shop = {
    url,
    vendor: /^\s*vendor\s+(\S+)/m.exec(output)?.[1] ?? '',
    async kill(signal: NodeJS.Signals = 'SIGKILL') {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const exited = new Promise((done) => server.once('exit', done));
      server.kill(signal);
      await exited;
    },
    async start() {
      server = serve(folder, new URL(url).host);
      await untilReady(server);
    },
    async stop() {
      await shop.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return shop;
}

function serve(folder: string, listen: string): ChildProcess {
  const args = ['serve', '--dev', '--listen', listen, '--data-dir', folder];
  return spawn(resolve(BINARY), args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

function untilReady(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error(`the shop did not start: ${output}`)), START_MS_MAX);
    const collect = (piece: Buffer) => {
      output += piece.toString();
      // The server prints its address last.
      if (!/^http:\/\/\S+$/m.test(output)) return;
      clearTimeout(timer);
      resolve(output);
    };
    server.stdout?.on('data', collect);
    server.stderr?.on('data', collect);
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`the shop ended with ${code}: ${output}`)));
  });
}

type Falsy = undefined | false | null;

/** Waits until `check` returns a truthy value, up to a deadline. */
export async function eventually<T>(check: () => T | Falsy | Promise<T | Falsy>, what = 'a condition'): Promise<T> {
  const until = Date.now() + DEADLINE_MS;
  for (;;) {
    const seen = await check();
    if (seen) return seen;
    if (Date.now() > until) throw new Error(`${what} did not become true`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
