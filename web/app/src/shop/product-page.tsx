import { useState } from "preact/hooks";
import { asShopError, call } from "../api";
import type { PageProps } from "../app";
import { t, tn } from "../i18n";
import type { Product, Variant } from "../types";
import { Icon } from "../ui/icon";
import { LoadFailed, errorText } from "../ui/load-state";
import { Notice } from "../ui/notice";
import { PageTitle } from "../ui/page-title";
import { Price } from "../ui/price";
import { Gallery } from "../ui/gallery";
import { NoPayments } from "../ui/no-payments";
import { useLoad } from "../ui/use-load";
import { addToCart, cartOpen } from "./cart";
import { pictureAt, productOf, remember } from "./catalogue";
import { addressOf } from "./filters";
import { idIn } from "./addresses";
import { ProductDrops } from "./product-drops";

export function ProductPage({ params }: PageProps) {
  const id = idIn(params["id"] ?? "");
  const { value, error, retry } = useLoad(id, async () => {
    const product = await call("get_product", { params: { id } });
    remember([product]);
    return product;
  });
  const product = value ?? productOf(id);
  if (error !== undefined && !product) return <LoadFailed error={error} onRetry={retry} />;
  if (!product) return <div class="page" aria-busy="true" />;
  return (
    <div class="page">
      <NoPayments />
      <ProductView product={product} />
    </div>
  );
}

function ProductView({ product }: { product: Product }) {
  const start = product.variants.find((variant) => variant.in_stock) ?? product.variants[0];
  const [chosen, setChosen] = useState<string[]>(start?.options ?? []);
  const variant = product.variants.find((one) => sameOptions(one.options, chosen));
  const named = product.options.filter((option) => !(option.values.length === 1 && option.values[0] === "Default Title"));

  return (
    <div class="product">
      <Gallery product={product} wanted={pictureAt(product, variant?.sku)} />
      <div class="product-facts">
        <p class="quiet">{t("product.by", { vendor: product.vendor })}</p>
        <PageTitle plain={product.title} />
        <div class="product-price">{variant && <Price price={variant.price} was={variant.compare_at_price} />}</div>
        {/* The server has sanitised the HTML. */}
        <div class="prose" dangerouslySetInnerHTML={{ __html: product.description_html }} />
        {named.map((option, index) => (
          <fieldset key={option.name} class="option-set">
            <legend class="field-label">{option.name}</legend>
            <div class="option-values">
              {option.values.map((value) => {
                const options = chosen.map((old, at) => (at === index ? value : old));
                const there = product.variants.find((one) => sameOptions(one.options, options));
                return (
                  <label key={value} class={there?.in_stock ? "option-value" : "option-value sold-out"}>
                    <input
                      type="radio"
                      name={`option-${index}`}
                      checked={chosen[index] === value}
                      onChange={() => setChosen(options)}
                    />
                    <span>{value}</span>
                  </label>
                );
              })}
            </div>
          </fieldset>
        ))}
        <AddToCart variant={variant} />
        <ProductDrops product={product} />
        {product.tags.length > 0 && (
          <ul role="list" class="tags" aria-label={t("product.tags")}>
            {product.tags.map((tag) => (
              <li key={tag}>
                <a class="chip" href={addressOf({ tag })}>
                  {tag}
                </a>
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

function AddToCart({ variant }: { variant: Variant | undefined }) {
  const [adding, setAdding] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const inStock = variant?.in_stock ?? false;

  const add = async () => {
    if (!variant || adding) return;
    setAdding(true);
    setFailed(undefined);
    try {
      await addToCart(variant.sku, 1);
      cartOpen.value = true;
    } catch (thrown) {
      setFailed(thrown);
    } finally {
      setAdding(false);
    }
  };

  return (
    <>
      <p class={inStock ? "stock-line" : "stock-line sold-out"}>
        <Icon name={inStock ? "check" : "info"} />
        {t(inStock ? "product.inStock" : variant ? "product.soldOut" : "product.unavailable")}
      </p>
      <button class="button wide" type="button" disabled={!inStock} aria-disabled={adding} onClick={() => void add()}>
        {t(adding ? "product.adding" : "product.add")}
      </button>
      {failed !== undefined && (
        <Notice tone="warn" title={refusal(failed)} alert>
          {null}
        </Notice>
      )}
    </>
  );
}

function refusal(failed: unknown): string {
  const error = asShopError(failed);
  if (error.code === "insufficient_available" || error.code === "insufficient_stock") {
    const left = error.problem?.available;
    return left ? tn("product.insufficient", left) : t("product.notEnough");
  }
  return error.code === "checkout_in_progress" ? t("cart.locked") : errorText(error);
}

function sameOptions(one: string[], other: string[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
