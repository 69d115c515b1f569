/** The page for importing a catalogue file: choice, dry run, import. */
import type { Import } from "@fusioncommerce/client";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { announce } from "../../ui/announcer";
import { Field } from "../../ui/field";
import { Notice } from "../../ui/notice";
import { read } from "../asking";
import { decimal, wholeNumber } from "../format";
import { Trouble } from "../problems";
import { Tick } from "../ui/fields";
import { PageHead } from "../ui/page-head";
import { ct, ctn } from "../words";
import { FileDrop } from "./file-drop";
import { RefusedRows } from "./refused-rows";
import { sendFile } from "./upload";

const LOOK_MS = 700;

type Stage =
  | { at: "choosing" }
  | { at: "sending"; share: number; dryRun: boolean }
  | { at: "running"; job: Import }
  | { at: "done"; job: Import };

export function ImportPage(_: PageProps) {
  const [file, setFile] = useState<File>();
  const [currency, setCurrency] = useState("");
  const [setStock, setSetStock] = useState(false);
  const [deriveSkus, setDeriveSkus] = useState(false);
  const [stage, setStage] = useState<Stage>({ at: "choosing" });
  const [error, setError] = useState<unknown>();
  const [currencyError, setCurrencyError] = useState<string>();
  const abort = useRef(new AbortController());
  const result = useRef<HTMLDivElement>(null);
  useEffect(() => () => abort.current.abort(new Error("navigated away")), []);

  const run = async (dryRun: boolean) => {
    if (!file) return;
    const code = currency.trim().toUpperCase();
    if (code !== "" && !/^[A-Z]{3}$/.test(code)) return setCurrencyError(ct("import.badCurrency"));
    setCurrencyError(undefined);
    setError(undefined);
    setStage({ at: "sending", share: 0, dryRun });
    const { signal } = abort.current;
    try {
      const onSent = (share: number) => setStage({ at: "sending", share, dryRun });
      let job = await sendFile({ file, dryRun, currency: code, setStock, deriveSkus }, onSent, signal);
      while (job.state === "running") {
        setStage({ at: "running", job });
        await new Promise((done) => setTimeout(done, LOOK_MS));
        signal.throwIfAborted();
        job = await read("get_import", { params: { id: job.id }, signal });
      }
      setStage({ at: "done", job });
      announce(`${headline(job)} ${ctn("import.refused", job.counts.rows_rejected)}`);
      result.current?.focus();
    } catch (thrown) {
      if (signal.aborted) return;
      setError(thrown);
      setStage({ at: "choosing" });
    }
  };

  const choose = (chosen: File | undefined) => {
    setFile(chosen);
    setStage({ at: "choosing" });
    setError(undefined);
  };
  const busy = stage.at === "sending" || stage.at === "running";
  return (
    <>
      <PageHead
        title={ct("import.title")}
        up={{ href: "/console/products", label: ct("nav.products") }}
        lead={ct("import.lead")}
      />
      <section class="sheet" aria-labelledby="file-head">
        <h2 id="file-head">{ct("import.fileHead")}</h2>
        <FileDrop file={file} disabled={busy} onFile={choose} />
        <div class="import-choices">
          <Field
            name="currency"
            label={ct("import.currency")}
            value={currency}
            onValue={setCurrency}
            hint={ct("import.currencyHint")}
            error={currencyError}
            required={false}
            disabled={busy}
            maxLength={3}
            autocomplete="off"
          />
          <Tick
            name="set-stock"
            label={ct("import.setStock")}
            hint={ct("import.setStockHint")}
            checked={setStock}
            onChecked={setSetStock}
            disabled={busy}
          />
          <Tick
            name="derive-skus"
            label={ct("import.deriveSkus")}
            hint={ct("import.deriveSkusHint")}
            checked={deriveSkus}
            onChecked={setDeriveSkus}
            disabled={busy}
          />
        </div>
        {error !== undefined && <Trouble error={error} title={ct("import.failed")} />}
        <div class="actions">
          <button class="button" type="button" disabled={!file || busy} onClick={() => void run(true)}>
            {ct("import.try")}
          </button>
        </div>
        {!file && <p class="quiet small">{ct("import.tryHint")}</p>}
      </section>
      {busy && <Progress stage={stage} />}
      <div ref={result} tabIndex={-1} class="import-result">
        {stage.at === "done" && file && (
          <Outcome
            job={stage.job}
            fileName={file.name}
            onRun={() => void run(false)}
            onAgain={() => choose(undefined)}
          />
        )}
      </div>
    </>
  );
}

function Progress({ stage }: { stage: Stage }) {
  if (stage.at === "sending") {
    const percent = decimal(stage.share * 100, 0);
    return (
      <section class="sheet">
        <label class="field-label" for="import-progress">
          {stage.share < 1 ? ct("import.sending", { percent }) : ct("import.reading")}
        </label>
        <progress id="import-progress" max={1} {...(stage.share < 1 ? { value: stage.share } : {})} />
      </section>
    );
  }
  if (stage.at !== "running") return null;
  return (
    <section class="sheet">
      <label class="field-label" for="import-progress">
        {ctn("import.rowsRead", stage.job.counts.rows)}
      </label>
      <progress id="import-progress" />
    </section>
  );
}

function headline(job: Import): string {
  if (job.state === "failed") return ct("import.endedEarly");
  return ct(job.dry_run ? "import.tried" : "import.done");
}

interface OutcomeProps {
  job: Import;
  fileName: string;
  onRun: () => void;
  onAgain: () => void;
}

function Outcome({ job, fileName, onRun, onAgain }: OutcomeProps) {
  const { counts, warnings } = job;
  const changes = counts.products_created + counts.products_updated + counts.stock_set;
  const tone = job.state === "failed" ? "bad" : counts.rows_rejected > 0 ? "warn" : "good";
  const numbers: [string, number][] = [
    [ct("import.rows"), counts.rows],
    [ct("import.created"), counts.products_created],
    [ct("import.updated"), counts.products_updated],
    [ct("import.unchanged"), counts.products_unchanged],
    [ct("import.variants"), counts.variants_created],
    [ct("import.stockSet"), counts.stock_set],
    [ct("import.importedCount"), counts.rows_imported],
    [ct("import.refusedCount"), counts.rows_rejected],
    [ct("import.warningsCount"), counts.warnings],
  ];
  const actions = job.dry_run ? (
    <>
      <button class="button" type="button" disabled={changes === 0} onClick={onRun}>
        {ct("import.run")}
      </button>
      <button class="button second" type="button" onClick={onAgain}>
        {ct("import.another")}
      </button>
    </>
  ) : (
    <>
      <a class="button" href="/console/products">
        {ct("import.toProducts")}
      </a>
      <button class="button second" type="button" onClick={onAgain}>
        {ct("import.another")}
      </button>
    </>
  );
  return (
    <>
      <Notice tone={tone} title={headline(job)} actions={actions}>
        <p>
          {job.problem ??
            ct(job.dry_run ? (changes > 0 ? "import.triedText" : "import.triedNothing") : "import.doneText")}
        </p>
      </Notice>
      <section class="sheet" aria-labelledby="counts-head">
        <h2 id="counts-head">{ct(job.dry_run ? "import.countsDry" : "import.counts")}</h2>
        <dl class="figures">
          {numbers.map(([label, count]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{wholeNumber(count)}</dd>
            </div>
          ))}
        </dl>
      </section>
      {warnings.length > 0 && (
        <section class="sheet" aria-labelledby="warnings-head">
          <h2 id="warnings-head">{ctn("import.warnings", counts.warnings)}</h2>
          <ul class="plain-list">
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
          {counts.warnings > warnings.length && (
            <p class="quiet small">{ctn("import.warningsFirst", warnings.length)}</p>
          )}
        </section>
      )}
      {counts.rows_rejected > 0 && <RefusedRows importId={job.id} count={counts.rows_rejected} fileName={fileName} />}
    </>
  );
}
