/** The page for creating or editing a product. */
import { isProblem, Problem, type Product } from "@fusioncommerce/client";
import { useEffect, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { navigate } from "../../router";
import { productPath } from "../../shop/addresses";
import { announce } from "../../ui/announcer";
import { Notice } from "../../ui/notice";
import { useLoad } from "../../ui/use-load";
import { askOnce, read } from "../asking";
import { dayTime } from "../format";
import { Trouble } from "../problems";
import { ProductBadge } from "../ui/badges";
import { ActionDialog } from "../ui/dialog";
import { focusField } from "../ui/fields";
import { Waiting } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { PageTrouble } from "../ui/page-trouble";
import { ct, ctn } from "../words";
import { ConflictNotice } from "./conflict-notice";
import { setFirstStock, type StockFault } from "./first-stock";
import {
  conflicts,
  draftOf,
  emptyProduct,
  faults,
  fieldAt,
  rebase,
  toNew,
  toPatch,
  type ProductDraft,
} from "./product-draft";
import { ProductForm } from "./product-form";

const UP = () => ({ href: "/console/products", label: ct("nav.products") });

/** Returns the server's errors, by the names of the form's fields. */
function fieldErrors(error: unknown, rows: string[]): Record<string, string> {
  if (!(error instanceof Problem)) return {};
  return Object.fromEntries(
    error.errors.flatMap(({ pointer, detail }) => {
      const field = fieldAt(pointer, rows);
      return field ? [[field, detail] as const] : [];
    }),
  );
}

function focusFirst(errors: Record<string, string>): void {
  const first = Object.keys(errors)[0];
  if (first) focusField(first);
}

export function NewProductPage(_: PageProps) {
  // A shop normally has one currency, but only its products tell which.
  const {
    value: currency,
    error,
    retry,
  } = useLoad("currency", async () => {
    const { items } = await read("list_products", { params: { limit: 1 } });
    return items[0]?.variants[0]?.price.currency ?? "USD";
  });
  if (error !== undefined) return <PageTrouble error={error} onRetry={retry} up={UP()} />;
  return currency ? <NewProduct currency={currency} /> : <Waiting />;
}

function NewProduct({ currency }: { currency: string }) {
  const [draft, setDraft] = useState(() => emptyProduct(currency));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>();
  const [working, setWorking] = useState(false);
  const [made, setMade] = useState<{ product: Product; faults: StockFault[] }>();
  const rows = draft.variants.map(({ key }) => key);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (working) return;
    const found = faults(draft);
    setErrors(found);
    setError(undefined);
    if (Object.keys(found).length > 0) return focusFirst(found);
    setWorking(true);
    try {
      const sent = toNew(draft);
      const product = await askOnce("product.new", "create_product", { body: sent.body });
      const stockFaults = await setFirstStock(product, draft, sent.rows);
      announce(ct("product.made", { title: product.title }));
      if (stockFaults.length > 0) setMade({ product, faults: stockFaults });
      else navigate(`/console/products/${product.id}`);
    } catch (thrown) {
      setError(thrown);
      const fields = fieldErrors(thrown, rows);
      setErrors(fields);
      focusFirst(fields);
    } finally {
      setWorking(false);
    }
  };

  return (
    <>
      <PageHead title={ct("product.newTitle")} up={UP()} />
      {made ? (
        <StockTrouble product={made.product} list={made.faults} />
      ) : (
        <form noValidate onSubmit={(event) => void submit(event)}>
          <ProductForm draft={draft} errors={errors} onDraft={setDraft} isNew />
          {error !== undefined && <Trouble error={error} shown={(pointer) => fieldAt(pointer, rows) !== undefined} />}
          <FormEnd working={working} errors={errors} save={ct("product.make")} />
        </form>
      )}
    </>
  );
}

export function ProductPage({ params }: PageProps) {
  const id = params["id"] ?? "";
  const { value, error, retry } = useLoad(id, () => read("get_product", { params: { id } }));
  if (error !== undefined) return <PageTrouble error={error} onRetry={retry} up={UP()} />;
  return value ? <EditProduct key={value.id} loaded={value} /> : <Waiting />;
}

function EditProduct({ loaded }: { loaded: Product }) {
  const [base, setBase] = useState(loaded);
  const [newer, setNewer] = useState<Product>();
  const [draft, setDraft] = useState<ProductDraft>(() => draftOf(loaded));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>();
  const [working, setWorking] = useState(false);
  const [saved, setSaved] = useState(false);
  const [stockFaults, setStockFaults] = useState<StockFault[]>([]);
  const [archiving, setArchiving] = useState(false);
  const patch = toPatch(draft, base);
  useLeaveWarning(patch !== undefined);

  const edit = (next: ProductDraft) => {
    setDraft(next);
    setSaved(false);
  };
  const take = (product: Product) => {
    setBase(product);
    setDraft(draftOf(product));
    setNewer(undefined);
    setErrors({});
    setError(undefined);
  };

  const submit = async (event: Event) => {
    event.preventDefault();
    if (working || !patch) return;
    const found = faults(draft);
    setErrors(found);
    setError(undefined);
    if (Object.keys(found).length > 0) return focusFirst(found);
    setWorking(true);
    try {
      const request = { params: { id: base.id }, version: base.version, body: patch.body };
      const product = await askOnce(`product.${base.id}`, "update_product", request);
      setStockFaults(
        await setFirstStock(
          product,
          draft,
          draft.variants.map(({ key }) => key),
        ),
      );
      take(product);
      setSaved(true);
      announce(ct("product.saved"));
    } catch (thrown) {
      if (isProblem(thrown, "stale_version")) await showNewer(thrown);
      else {
        setError(thrown);
        const fields = fieldErrors(thrown, patch.rows);
        setErrors(fields);
        focusFirst(fields);
      }
    } finally {
      setWorking(false);
    }
  };

  const showNewer = async (stale: unknown) => {
    try {
      setNewer(await read("get_product", { params: { id: base.id } }));
    } catch {
      setError(stale);
    }
  };

  const archive = async () => {
    await askOnce(`product.archive.${base.id}`, "archive_product", { params: { id: base.id } });
    setArchiving(false);
    announce(ct("product.archived", { title: base.title }));
    take(await read("get_product", { params: { id: base.id } }));
  };

  return (
    <>
      <PageHead
        title={base.title}
        up={UP()}
        badge={<ProductBadge status={base.status} />}
        lead={ct("product.changed", { time: dayTime(base.updated_at), version: base.version })}
      >
        {base.status === "active" && (
          <>
            <a class="button second" href={productPath(base)}>
              {ct("product.inShop")}
            </a>
            <a class="button second" href={`/console/drops/new?product=${base.id}`}>
              {ct("product.makeDrop")}
            </a>
          </>
        )}
        {base.status !== "archived" && (
          <button class="button second" type="button" onClick={() => setArchiving(true)}>
            {ct("product.archive")}
          </button>
        )}
      </PageHead>
      {stockFaults.length > 0 && <StockTrouble product={base} list={stockFaults} />}
      <form noValidate onSubmit={(event) => void submit(event)}>
        {newer && (
          <ConflictNotice
            conflicts={conflicts(draft, base, newer)}
            onTheirs={() => take(newer)}
            onMine={() => {
              setDraft(rebase(draft, base, newer));
              setBase(newer);
              setNewer(undefined);
            }}
          />
        )}
        <ProductForm draft={draft} errors={errors} onDraft={edit} isNew={false} />
        {error !== undefined && (
          <Trouble error={error} shown={(pointer) => fieldAt(pointer, patch?.rows ?? []) !== undefined} />
        )}
        <FormEnd
          working={working}
          errors={errors}
          save={ct("product.save")}
          idle={!patch || newer !== undefined}
          note={saved ? ct("product.saved") : patch ? ct("product.unsaved") : ct("product.nothingToSave")}
          onDiscard={patch && !newer ? () => take(base) : undefined}
        />
      </form>
      {archiving && (
        <ActionDialog
          title={ct("product.archiveTitle", { title: base.title })}
          confirm={ct("product.archive")}
          danger
          onClose={() => setArchiving(false)}
          act={archive}
        >
          <p>{ct("product.archiveText")}</p>
        </ActionDialog>
      )}
    </>
  );
}

interface FormEndProps {
  working: boolean;
  errors: Record<string, string>;
  save: string;
  idle?: boolean;
  note?: string;
  onDiscard?: (() => void) | undefined;
}

function FormEnd({ working, errors, save, idle = false, note, onDiscard }: FormEndProps) {
  const wrong = Object.keys(errors).length;
  return (
    <div class="form-end">
      <p class={wrong > 0 ? "field-error" : "quiet small"}>{wrong > 0 ? ctn("field.fix", wrong) : note}</p>
      {onDiscard && (
        <button class="button second" type="button" onClick={onDiscard}>
          {ct("product.discard")}
        </button>
      )}
      <button class="button" type="submit" aria-disabled={working || idle}>
        {working ? ct("common.working") : save}
      </button>
    </div>
  );
}

function StockTrouble({ product, list }: { product: Product; list: StockFault[] }) {
  return (
    <Notice
      tone="warn"
      alert
      title={ct("product.stockFaultTitle", { title: product.title })}
      actions={
        <>
          <a class="button" href={`/console/stock?sku=${encodeURIComponent(list[0]?.sku ?? "")}`}>
            {ct("product.toStock")}
          </a>
          <a class="button second" href={`/console/products/${product.id}`}>
            {ct("product.toProduct")}
          </a>
        </>
      }
    >
      <ul class="trouble-fields">
        {list.map(({ sku, why }) => (
          <li key={sku}>
            <code>{sku}</code> {why}
          </li>
        ))}
      </ul>
    </Notice>
  );
}

/** Makes the browser ask for confirmation before unsaved changes are lost. */
function useLeaveWarning(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [unsaved]);
}
