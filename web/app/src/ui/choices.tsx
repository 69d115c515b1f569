/** The language and theme selectors, in the footers of the shop and of the console. */
import { LANGUAGES, type Language, chooseLanguage, language, t } from "../i18n";
import { THEMES, type Theme, chooseTheme, theme } from "../theme";

export function Choices() {
  return (
    <div class="foot-choices">
      <label>
        <span class="field-label">{t("nav.language")}</span>
        <select
          class="small-select"
          value={language.value}
          onChange={(event) => chooseLanguage(event.currentTarget.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([tag, name]) => (
            <option key={tag} value={tag} lang={tag}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="field-label">{t("nav.theme")}</span>
        <select
          class="small-select"
          value={theme.value}
          onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}
        >
          {THEMES.map((choice) => (
            <option key={choice} value={choice}>
              {t(`theme.${choice}`)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
