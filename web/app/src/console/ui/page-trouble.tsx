import { isProblem } from "@fusioncommerce/client";
import { Notice } from "../../ui/notice";
import { Trouble } from "../problems";
import { ct } from "../words";
import { PageHead } from "./page-head";

interface Props {
  error: unknown;
  onRetry: () => void;
  up?: { href: string; label: string };
}

/** Shown instead of a page whose entity could not be read. */
export function PageTrouble({ error, onRetry, up }: Props) {
  // An invalid id in the URL is refused, and means the same to the visitor as an unknown id.
  const isGone = isProblem(error, "not_found", "invalid_request");
  return (
    <>
      <PageHead title={ct(isGone ? "problem.gone" : "problem.load")} up={up} />
      {isGone ? <Notice title={ct("problem.notFound")} /> : <Trouble error={error} onRetry={onRetry} />}
    </>
  );
}
