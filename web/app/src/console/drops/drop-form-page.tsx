/** The form for a new drop, or for a drop that has not opened. */
import { isProblem, Problem, type Drop, type Product } from "@fusioncommerce/client";
import { useEffect, useState } from "preact/hooks";
import type { PageProps } from "../../app";
import { location, navigate } from "../../router";
import { announce } from "../../ui/announcer";
import { Notice } from "../../ui/notice";
import { useLoad } from "../../ui/use-load";
import { askOnce, read } from "../asking";
import { fromLocalField } from "../format";
import { Trouble } from "../problems";
import { ConflictNotice } from "../products/conflict-notice";
import { DropBadge } from "../ui/badges";
import { focusField } from "../ui/fields";
import { Waiting } from "../ui/list-state";
import { PageHead } from "../ui/page-head";
import { PageTrouble } from "../ui/page-trouble";
import { ct, ctn } from "../words";
import {
  draftOfDrop,
  dropConflicts,
  dropFaults,
  dropFieldAt,
  emptyDrop,
  rebaseDrop,
  toDropPatch,
  toNewDrop,
  withProduct,
  type DropDraft,
} from "./drop-draft";
import { DropFields } from "./drop-fields";

/** Returns the server's errors by form field; a shortage belongs to the units of its SKU. */
function refusedFields(error: unknown, skus: string[]): Record<string, string> {
  if (isProblem(error, "insufficient_stock")) {
    return { [`quantity-${error.sku}`]: ctn("drop.onlyAvailable", error.available) };
  }
  if (!(error instanceof Problem)) return {};
  return Object.fromEntries(
    error.errors.flatMap(({ pointer, detail }) => {
      const field = dropFieldAt(pointer, skus);
      return field ? [[field, detail] as const] : [];
    }),
  );
}

function focusFirst(errors: Record<string, string>): void {
  const first = Object.keys(errors)[0];
  if (first) focusField(first);
}

export function NewDropPage(_: PageProps) {
  const [draft, setDraft] = useState<DropDraft>(emptyDrop);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>();
  const [working, setWorking] = useState<"draft" | "publish">();
  const chosenSkus = draft.items.filter(({ chosen }) => chosen).map(({ sku }) => sku);

  const productId = location.value.searchParams.get("product");
  useEffect(() => {
    if (!productId) return;
    read("get_product", { params: { id: productId } }).then(
      (product) => setDraft((before) => withProduct(before, product)),
      () => undefined,
    );
  }, [productId]);

  const save = async (isDraft: boolean) => {
    if (working) return;
    const found = dropFaults(draft);
    setErrors(found);
    setError(undefined);
    if (Object.keys(found).length > 0) return focusFirst(found);
    setWorking(isDraft ? "draft" : "publish");
    try {
      const drop = await askOnce("drop.new", "create_drop", { body: toNewDrop(draft, isDraft) });
      announce(ct(isDraft ? "drop.savedDraft" : drop.state === "open" ? "drop.opened" : "drop.scheduled"));
      navigate(`/console/drops/${drop.id}`);
    } catch (thrown) {
      setError(thrown);
      const fields = refusedFields(thrown, chosenSkus);
      setErrors(fields);
      focusFirst(fields);
      setWorking(undefined);
    }
  };

  const starts = draft.start === "later" ? fromLocalField(draft.startsAt) : undefined;
  const isLater = starts !== undefined && Date.parse(starts) > Date.now();
  return (
    <>
      <PageHead
        title={ct("drop.newTitle")}
        up={{ href: "/console/drops", label: ct("nav.drops") }}
        lead={ct("drop.newLead")}
      />
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void save(false);
        }}
      >
        <DropFields
          draft={draft}
          errors={errors}
          onDraft={setDraft}
          onProduct={(product) =>
            setDraft(product ? withProduct(draft, product) : { ...draft, productId: undefined, items: [] })
          }
        />
        {error !== undefined && (
          <Trouble error={error} shown={(pointer) => dropFieldAt(pointer, chosenSkus) !== undefined} />
        )}
        <div class="form-end">
          <p class={Object.keys(errors).length > 0 ? "field-error" : "quiet small"}>
            {Object.keys(errors).length > 0 ? ctn("field.fix", Object.keys(errors).length) : ct("drop.publishHint")}
          </p>
          <button
            class="button second"
            type="button"
            aria-disabled={working !== undefined}
            onClick={() => void save(true)}
          >
            {working === "draft" ? ct("common.working") : ct("drop.saveDraft")}
          </button>
          <button class="button" type="submit" aria-disabled={working !== undefined}>
            {working === "publish" ? ct("common.working") : ct(isLater ? "drop.schedule" : "drop.openNow")}
          </button>
        </div>
      </form>
    </>
  );
}

export function EditDropPage({ params }: PageProps) {
  const id = params["id"] ?? "";
  const { value, error, retry } = useLoad(id, async () => {
    const drop = await read("get_drop", { params: { id } });
    const product = drop.product_id
      ? await read("get_product", { params: { id: drop.product_id } }).catch(() => undefined)
      : undefined;
    return { drop, product };
  });
  if (error !== undefined)
    return <PageTrouble error={error} onRetry={retry} up={{ href: "/console/drops", label: ct("nav.drops") }} />;
  return value ? <EditDrop loaded={value.drop} product={value.product} /> : <Waiting />;
}

function EditDrop({ loaded, product }: { loaded: Drop; product: Product | undefined }) {
  const [base, setBase] = useState(loaded);
  const [newer, setNewer] = useState<Drop>();
  const [draft, setDraft] = useState(() => draftOfDrop(loaded, product));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>();
  const [working, setWorking] = useState(false);
  const body = toDropPatch(draft, base);
  const skus = body?.items?.map(({ sku }) => sku) ?? [];
  const up = { href: `/console/drops/${base.id}`, label: base.title || ct("drop.untitled") };

  const take = (drop: Drop) => {
    setBase(drop);
    setDraft(draftOfDrop(drop, product));
    setNewer(undefined);
    setError(undefined);
    setErrors({});
  };

  const save = async (event: Event) => {
    event.preventDefault();
    if (working || !body) return;
    const found = dropFaults(draft);
    setErrors(found);
    setError(undefined);
    if (Object.keys(found).length > 0) return focusFirst(found);
    setWorking(true);
    try {
      await askOnce(`drop.${base.id}`, "update_drop", { params: { id: base.id }, version: base.version, body });
      announce(ct("drop.saved"));
      navigate(`/console/drops/${base.id}`);
    } catch (thrown) {
      if (isProblem(thrown, "stale_version")) {
        await read("get_drop", { params: { id: base.id } }).then(setNewer, () => setError(thrown));
      } else {
        setError(thrown);
        const fields = refusedFields(thrown, skus);
        setErrors(fields);
        focusFirst(fields);
      }
      setWorking(false);
    }
  };

  if (base.state !== "draft" && base.state !== "scheduled") {
    return (
      <>
        <PageHead title={ct("drop.editTitle")} up={up} badge={<DropBadge state={base.state} />} />
        <Notice
          title={ct("drop.tooLateTitle")}
          actions={
            <a class="button" href={`/console/drops/${base.id}`}>
              {ct("drop.toDashboard")}
            </a>
          }
        >
          {ct("drop.tooLateText")}
        </Notice>
      </>
    );
  }
  return (
    <>
      <PageHead title={ct("drop.editTitle")} up={up} badge={<DropBadge state={base.state} />} />
      <form noValidate onSubmit={(event) => void save(event)}>
        {newer && (
          <ConflictNotice
            conflicts={dropConflicts(draft, base, newer)}
            onTheirs={() => take(newer)}
            onMine={() => {
              setDraft(rebaseDrop(draft, base, newer, product));
              setBase(newer);
              setNewer(undefined);
            }}
          />
        )}
        <DropFields draft={draft} errors={errors} onDraft={setDraft} />
        {error !== undefined && <Trouble error={error} shown={(pointer) => dropFieldAt(pointer, skus) !== undefined} />}
        <div class="form-end">
          <p class={Object.keys(errors).length > 0 ? "field-error" : "quiet small"}>
            {Object.keys(errors).length > 0
              ? ctn("field.fix", Object.keys(errors).length)
              : ct(body ? "product.unsaved" : "product.nothingToSave")}
          </p>
          <a class="button second" href={`/console/drops/${base.id}`}>
            {ct("common.back")}
          </a>
          <button class="button" type="submit" aria-disabled={working || !body || newer !== undefined}>
            {working ? ct("common.working") : ct("product.save")}
          </button>
        </div>
      </form>
    </>
  );
}
