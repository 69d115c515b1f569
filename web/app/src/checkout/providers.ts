/** The payment providers of this shop, which the server writes into the page. */
const configured = document.querySelector<HTMLMetaElement>('meta[name="fusion:payments"]')?.content;

/** Pages from the development server (`vite`) lack the tag; they allow the sandbox. */
const providers = configured === undefined ? ["sandbox"] : configured.split(" ").filter(Boolean);

/** Whether the shop has any payment provider. */
export const CAN_PAY = providers.length > 0;
/** Whether the shop accepts test cards, which move no money. */
export const HAS_TEST_CARDS = providers.includes("sandbox");
