//! `fusion tenants add|list|remove`.

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};

use crate::{
    admin_socket::{KnownTenant, MadeTenant, NewTenant, ShopAccess, ShopAccessError},
    cli::{AddTenant, RemoveTenant, Tenants},
    config::Config,
    program,
};

/// `fusion tenants …`.
pub(crate) async fn run(tenants: &Tenants, config: &Config) -> Result<(), ShopAccessError> {
    let access = ShopAccess::open(config).await?;
    let done = match tenants {
        Tenants::Add(new) => add(&access, new).await,
        Tenants::List(_) => list(&access).await,
        Tenants::Remove(RemoveTenant { name, .. }) => {
            let removed = access.remove(&format!("/local/tenants/{name}")).await;
            removed.map(|()| println!("tenant {name} removed"))
        }
    };
    access.close().await;
    done
}

async fn add(
    access: &ShopAccess,
    AddTenant { name, currency, host, public_url, .. }: &AddTenant,
) -> Result<(), ShopAccessError> {
    let (hosts, public_url) = (host.clone(), public_url.clone());
    let new = NewTenant { name: name.clone(), currency: *currency, hosts, public_url };
    let made: MadeTenant = access.post("/local/tenants", &new).await?;
    let (name, fusion) = (made.name, program::name());
    println!("tenant {name} created; create a token with: {fusion} token --role vendor --tenant {name}");
    Ok(())
}

async fn list(access: &ShopAccess) -> Result<(), ShopAccessError> {
    let tenants: Vec<KnownTenant> = access.get(None, "/local/tenants").await?;
    if tenants.is_empty() {
        println!("No tenants. Create one with: {} tenants add NAME --currency USD", program::name());
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_header(["Tenant", "Currency", "Host names", "Made"]);
    for KnownTenant { name, currency, hosts, created_at } in tenants {
        table.add_row([name.to_string(), currency.to_string(), hosts.join(", "), created_at.to_string()]);
    }
    println!("{table}");
    Ok(())
}
