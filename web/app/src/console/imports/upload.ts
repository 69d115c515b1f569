/** The upload of a catalogue file, with its progress. */
import { Problem, Unreachable, type Import, type ProblemDocument } from "@fusioncommerce/client";
import { openKey } from "../asking";
import { client, noteRefusal } from "../client";
import { forget } from "../../storage";

export interface ImportChoice {
  file: File;
  dryRun: boolean;
  /** If empty, the currency of the shop. */
  currency: string;
  setStock: boolean;
  /**
   * Whether a SKU of another variant is replaced by one derived from handle and options, instead of refusing the row.
   */
  deriveSkus: boolean;
}

/**
 * Sends the file. `onSent` receives the fraction sent, from 0 to 1.
 *
 * Resolves when the server has finished the import, or soon with the state `running`. Sending the same file again after
 * a broken connection requests the same import.
 */
export async function sendFile(
  choice: ImportChoice,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<Import> {
  const { file, dryRun, currency, setStock, deriveSkus } = choice;
  const query = new URLSearchParams({
    dry_run: String(dryRun),
    ...(currency ? { currency } : {}),
    ...(setStock ? { stock: "set" } : {}),
    ...(deriveSkus ? { duplicate_sku: "derive" } : {}),
  });
  const name = `pending.console.import.${dryRun ? "dry" : "real"}`;
  const key = openKey(name, JSON.stringify([file.name, file.size, file.lastModified, String(query)]));
  const session = await client.session.fresh();
  try {
    const done = await post(`/v1/imports?${query}`, { file, key, token: session?.token, onSent, signal });
    forget(name);
    return done;
  } catch (thrown) {
    if (thrown instanceof Problem && thrown.code !== "outcome_unknown") forget(name);
    noteRefusal(thrown);
    throw thrown;
  }
}

interface Post {
  file: File;
  key: string;
  token: string | undefined;
  onSent: (share: number) => void;
  signal: AbortSignal;
}

/** Uses `XMLHttpRequest`, because `fetch` does not report upload progress. */
function post(address: string, { file, key, token, onSent, signal }: Post): Promise<Import> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "text/csv");
    request.setRequestHeader("Idempotency-Key", key);
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
    request.upload.onload = () => onSent(1);
    request.onload = () => {
      const answer: unknown = request.response;
      if (request.status < 300) return resolve(answer as Import);
      const known = typeof answer === "object" && answer !== null && "code" in answer;
      reject(
        known
          ? new Problem(answer as ProblemDocument, { key })
          : new Unreachable("no answer", { key, status: request.status }),
      );
    };
    request.onerror = () => reject(new Unreachable("the connection was lost", { key }));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
