import { useState } from "preact/hooks";
import { decimal } from "../format";
import { ct } from "../words";

interface Props {
  file: File | undefined;
  disabled: boolean;
  onFile: (file: File | undefined) => void;
}

/** A drop area around the browser's file field, which stays for keyboard users. */
export function FileDrop({ file, disabled, onFile }: Props) {
  const [over, setOver] = useState(false);
  return (
    <div
      class={over && !disabled ? "file-drop over" : "file-drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const dropped = event.dataTransfer?.files[0];
        if (dropped && !disabled) onFile(dropped);
      }}
    >
      <p class="file-drop-words">
        {file ? ct("import.chosen", { name: file.name, size: sizeOf(file) }) : ct("import.drop")}
      </p>
      <label class="button second">
        {file ? ct("import.chooseOther") : ct("import.choose")}
        <input
          class="unseen"
          type="file"
          accept=".csv,text/csv"
          disabled={disabled}
          onChange={(event) => {
            const chosen = event.currentTarget.files?.[0];
            if (chosen) onFile(chosen);
            // Choosing the same file again, corrected meanwhile, must fire a change event too.
            event.currentTarget.value = "";
          }}
        />
      </label>
    </div>
  );
}

function sizeOf({ size }: File): string {
  const kb = size / 1024;
  return kb < 1000 ? `${decimal(kb, kb < 10 ? 1 : 0)} KB` : `${decimal(kb / 1024, 1)} MB`;
}
