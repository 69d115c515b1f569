/** All pictures of a product: one large and uncropped, the others to choose from. */
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import type { Product } from "../types";
import { ProductPicture } from "./product-picture";

interface Props {
  product: Product;
  /** The index of the chosen variant's picture, if it has one. */
  wanted?: number | undefined;
}

export function Gallery({ product, wanted }: Props) {
  const [at, setAt] = useState(wanted ?? 0);
  // A picture chosen by hand stays until another variant is chosen.
  useEffect(() => {
    if (wanted !== undefined) setAt(wanted);
  }, [wanted]);
  return (
    <div class="gallery">
      <ProductPicture product={product} at={at} whole />
      {product.images.length > 1 && (
        <ul role="list" class="thumbs" aria-label={t("product.pictures")}>
          {product.images.map((image, index) => (
            <li key={image.src}>
              <button
                class="thumb"
                type="button"
                aria-label={t("product.pictureOf", { n: index + 1, of: product.images.length })}
                aria-pressed={index === at}
                onClick={() => setAt(index)}
              >
                <ProductPicture product={product} at={index} decorative />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
