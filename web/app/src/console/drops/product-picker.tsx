import type { Product } from "@fusioncommerce/client";
import { useState } from "preact/hooks";
import type { ListedProduct } from "../../types";
import { ProductPicture } from "../../ui/product-picture";
import { read } from "../asking";
import { SearchField } from "../ui/fields";
import { Trouble } from "../problems";
import { ListState } from "../ui/list-state";
import { usePages, useSettled } from "../ui/use-pages";
import { ct, ctn } from "../words";

const SHOWN_AT_ONCE = 8;

interface Props {
  onProduct: (product: Product) => void;
  error?: string | undefined;
}

/** A search field for the product of a drop. */
export function ProductPicker({ onProduct, error }: Props) {
  const [query, setQuery] = useState("");
  const settled = useSettled(query.trim());
  const pages = usePages(settled, (cursor) =>
    read("list_products", {
      params: {
        limit: SHOWN_AT_ONCE,
        status: "active",
        ...(settled ? { query: settled } : {}),
        ...(cursor ? { cursor } : {}),
      },
    }),
  );
  const [failed, setFailed] = useState<unknown>();
  // The list has no options, which the names of the drop's items need.
  const choose = (id: string) => read("get_product", { params: { id } }).then(onProduct, setFailed);
  return (
    <div class="picker">
      <SearchField
        name="product-query"
        label={ct("drop.findProduct")}
        value={query}
        onValue={setQuery}
        placeholder={ct("product.searchHint")}
      />
      {error && <p class="field-error">{error}</p>}
      {failed !== undefined && <Trouble error={failed} />}
      <ListState pages={pages} empty={{ title: ct("product.noneFound"), text: ct("drop.onlyActive") }}>
        {(products) => (
          <ul role="list" class="picker-list" aria-label={ct("nav.products")}>
            {products.map((product) => (
              <li key={product.id}>
                <button type="button" class="picker-option" onClick={() => void choose(product.id)}>
                  <span class="named-picture">
                    <ProductPicture product={product} decorative />
                  </span>
                  <span>
                    <b>{product.title}</b>
                    <small class="quiet">{ctn("product.variants", (product as ListedProduct).variants_count ?? product.variants.length)}</small>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </ListState>
    </div>
  );
}
