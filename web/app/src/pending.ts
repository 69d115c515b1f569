/**
 * Questions that must be answered exactly once: claims, checkouts, cart lines.
 *
 * The idempotency key is kept with the question until an answer is there. A reload, a second tab, a double click or a
 * broken line asks again with the same key, and gets the same answer.
 */
import { asShopError, call, type Operation, ShopError } from "./api";
import { forget, keep, recall } from "./storage";

const ATTEMPTS_MAX = 8;
const WAIT_MIN_MS = 400;
const WAIT_MAX_MS = 8_000;
/** After this the server may have forgotten the key; so does the browser. */
const KEY_AGE_MAX_MS = 24 * 3600_000;

interface Pending {
  key: string;
  body: unknown;
  since: number;
}

export type WaitReason = "offline" | "overloaded" | "unknown";

export interface Asked {
  /** What the question is about: one place, one open question. */
  place: string;
  params?: Record<string, string>;
  body?: unknown;
  /** Told when the answer takes more than one attempt. */
  onWait?: (reason: WaitReason, ms: number) => void;
}

export function isPending(place: string): boolean {
  return pendingAt(place) !== undefined;
}

/** The body of a question that got no answer before the page went away. */
export function pendingBody<B>(place: string): B | undefined {
  return pendingAt(place)?.body as B | undefined;
}

export async function askOnce<O extends Operation>(operation: O, asked: Asked): ReturnType<typeof call<O>> {
  const pending = openQuestion(asked.place, asked.body);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await call(operation, {
        key: pending.key,
        ...(asked.params ? { params: asked.params } : {}),
        ...(asked.body !== undefined ? { body: asked.body } : {}),
      });
      settle(asked.place, pending.key);
      return answer;
    } catch (thrown) {
      const error = asShopError(thrown);
      if (!error.mayAskAgain) {
        settle(asked.place, pending.key);
        throw error;
      }
      if (attempt >= ATTEMPTS_MAX) throw error;
      const ms = waitMs(error, attempt);
      asked.onWait?.(reasonOf(error), ms);
      await lineOrTime(ms);
    }
  }
}

/** Gives up on a question: the next one at this place is a new one. */
export function abandon(place: string): void {
  forget(`pending.${place}`);
}

function pendingAt(place: string): Pending | undefined {
  const kept = recall<Pending>(`pending.${place}`);
  return kept && Date.now() - kept.since < KEY_AGE_MAX_MS ? kept : undefined;
}

function openQuestion(place: string, body: unknown): Pending {
  const kept = pendingAt(place);
  if (kept && JSON.stringify(kept.body) === JSON.stringify(body)) return kept;
  const fresh: Pending = { key: crypto.randomUUID?.() ?? randomKey(), body, since: Date.now() };
  keep(`pending.${place}`, fresh);
  return fresh;
}

function settle(place: string, key: string): void {
  if (pendingAt(place)?.key === key) forget(`pending.${place}`);
}

/** `crypto.randomUUID` is missing on plain-http addresses other than localhost. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
}

function reasonOf(error: ShopError): WaitReason {
  if (error.code === "network") return "offline";
  return error.code === "outcome_unknown" ? "unknown" : "overloaded";
}

function waitMs(error: ShopError, attempt: number): number {
  const backOff = Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** (attempt - 1));
  return Math.max(error.retryAfterMs ?? 0, backOff * (0.5 + Math.random() / 2));
}

/** Waits `ms`, or less when the browser says that it is on line again. */
function lineOrTime(ms: number): Promise<void> {
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer);
      removeEventListener("online", finish);
      done();
    };
    const timer = setTimeout(finish, ms);
    addEventListener("online", finish);
  });
}
