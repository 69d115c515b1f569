/** What this shop can be paid with: the server writes it into the page. */
const said = document.querySelector<HTMLMetaElement>('meta[name="fusion:payments"]')?.content;

/** Pages that come from elsewhere (`vite`) know nothing of it, and are a developer's. */
const providers = said === undefined ? ["sandbox"] : said.split(" ").filter(Boolean);

/** Whether anything can be paid at all. */
export const CAN_PAY = providers.length > 0;
/** Whether it can be paid with test cards, which move no money. */
export const HAS_TEST_CARDS = providers.includes("sandbox");
