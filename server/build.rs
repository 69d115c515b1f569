//! Embeds the pages as they are when the program is built: those that are built anew are taken anew.

fn main() {
    println!("cargo:rerun-if-changed=../web/app/dist");
}
