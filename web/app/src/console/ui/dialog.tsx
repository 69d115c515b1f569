import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../../ui/icon";
import { staff } from "../client";
import { Trouble } from "../problems";
import { ct } from "../words";

interface DialogProps {
  title: string;
  onClose: () => void;
  /** Work is under way: Escape does not close it. */
  busy?: boolean;
  children: ComponentChildren;
}

/** A native modal dialog. The browser keeps the focus inside, and gives it back to where it was. */
export function Dialog({ title, onClose, busy = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    // The first field; where there is none, the button that changes nothing.
    dialog?.querySelector<HTMLElement>("form :is(input, textarea, select, button):not([type=radio])")?.focus();
    return () => dialog?.close();
  }, []);
  const isSignedIn = staff.value !== undefined;
  useEffect(() => {
    if (!isSignedIn) onClose();
  }, [isSignedIn]);
  return (
    <dialog
      class="dialog"
      ref={element}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!busy) onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id="dialog-title">{title}</h2>
        <button class="icon-button" type="button" aria-label={ct("common.close")} disabled={busy} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      {children}
    </dialog>
  );
}

interface ActionProps {
  title: string;
  /** What the button says that does it. */
  confirm: string;
  /** What cannot be taken back. */
  danger?: boolean;
  onClose: () => void;
  /** Whether the fields can be sent; marks and focuses those that cannot. */
  check?: () => boolean;
  act: () => Promise<void>;
  /** Pointers of fields that show their own error. */
  shown?: (pointer: string) => boolean;
  /** What to say of an error beyond the usual words. */
  explain?: (error: unknown) => ComponentChildren;
  children: ComponentChildren;
}

/** A dialog around one change: its consequences or fields, and a button. It stays open when the change is refused. */
export function ActionDialog({
  title,
  confirm,
  danger = false,
  onClose,
  check,
  act,
  shown,
  explain,
  children,
}: ActionProps) {
  const [working, setWorking] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (working || (check && !check())) return;
    setWorking(true);
    setError(undefined);
    try {
      await act();
    } catch (thrown) {
      setError(thrown);
      setWorking(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose} busy={working}>
      <form class="dialog-body" noValidate onSubmit={(event) => void submit(event)}>
        {children}
        {error !== undefined && (
          <Trouble error={error} {...(shown ? { shown } : {})}>
            {explain?.(error)}
          </Trouble>
        )}
        <div class="dialog-actions">
          <button class="button second" type="button" disabled={working} onClick={onClose}>
            {ct("common.back")}
          </button>
          <button class={danger ? "button danger" : "button"} type="submit" aria-disabled={working}>
            {working ? ct("common.working") : confirm}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
