import { t } from "../i18n";
import { PageTitle } from "../ui/page-title";
import { Drops } from "./drops";
import { filtersNow, isNarrowed } from "./filters";
import { ProductGrid } from "./product-grid";

export function HomePage() {
  const filters = filtersNow();
  return (
    <div class="page">
      <div class="hero">
        <PageTitle plain={t("home.title")} />
        <p>{t("home.lead")}</p>
      </div>
      {!isNarrowed(filters) && <Drops />}
      <ProductGrid filters={filters} />
    </div>
  );
}
