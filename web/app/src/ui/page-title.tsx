import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { BRAND } from "../brand";

/** Whether this is the first page since the document was loaded: it keeps the browser's focus. */
let first = true;

/** The page's heading. After navigation, the focus moves here, which announces the page. */
export function PageTitle({ children, plain, class: extra }: { children?: ComponentChildren; plain: string; class?: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!first) heading.current?.focus({ preventScroll: true });
    first = false;
  }, []);
  useEffect(() => {
    document.title = `${plain} · ${BRAND}`;
  }, [plain]);
  return (
    <h1 ref={heading} tabIndex={-1} class={extra ?? ""}>
      {children ?? plain}
    </h1>
  );
}
