//! Compiles the frames of the binary subprotocol from the schema that clients use.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../schemas/fusion.v1.proto");
    let schema = protox::compile(["fusion.v1.proto"], ["../schemas"])?;
    prost_build::Config::new().compile_fds(schema)?;
    Ok(())
}
