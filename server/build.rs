//! Embeds the built web pages. The build is repeated when they change.

fn main() {
    println!("cargo:rerun-if-changed=../web/app/dist");
}
