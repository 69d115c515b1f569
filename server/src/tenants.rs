//! `fusion tenants add`.

use crate::{
    cli::{AddTenant, Tenants},
    config::Config,
    local::{MadeTenant, NewTenant, Way, WayError},
};

/// `fusion tenants …`.
pub(crate) async fn run(tenants: &Tenants, config: &Config) -> Result<(), WayError> {
    let Tenants::Add(AddTenant { name, currency, host, .. }) = tenants;
    let way = Way::open(config).await?;
    let new = NewTenant { name: name.clone(), currency: *currency, hosts: host.clone() };
    let made: Result<MadeTenant, WayError> = way.post("/local/tenants", &new).await;
    way.close().await;
    let (name, fusion) = (made?.name, crate::program::name());
    println!("tenant {name} is there; make a token with: {fusion} token --role vendor --tenant {name}");
    Ok(())
}
