import { t } from "../i18n";
import { PageTitle } from "../ui/page-title";
import { Drops } from "./drops";
import { filtersNow, isNarrowed } from "./filters";
import { Goods } from "./goods";

export function HomePage() {
  const filters = filtersNow();
  return (
    <div class="page">
      <div class="hero">
        <PageTitle plain={t("home.title")} />
        <p>{t("home.lead")}</p>
      </div>
      {!isNarrowed(filters) && <Drops />}
      <Goods filters={filters} />
    </div>
  );
}
