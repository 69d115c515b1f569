//! Unknown ids: clients can choose any, so they must not use memory.

use actors::CommandMeta;
use engine::{
    id::{DropId, PaymentId, TenantId},
    payment::{Payment, PaymentCommand},
};
use serde_json::json;

use crate::testing::Shop;

#[tokio::test]
async fn unknown_ids_use_no_memory() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(1).await;
    let (ann, vendor) = (shop.guest().await, shop.vendor());
    ann.get(&format!("/v1/drops/{drop}")).await.has(200);
    let before = shop.gateway.commerce.entities_in_memory();
    assert!(before > 0, "what is there stays in memory");
    for number in 0..100u128 {
        let id = DropId(number << 64);
        for kind in ["drops", "carts", "checkouts", "orders", "products", "inventory"] {
            vendor.get(&format!("/v1/{kind}/{id}")).await.refuses(404, "not_found");
        }
        ann.get(&format!("/v1/drops/{id}/claims/{id}-{id}")).await.refuses(404, "not_found");
        ann.delete(&format!("/v1/drops/{id}/claims/{id}-{id}")).await.refuses(404, "not_found");
        ann.delete(&format!("/v1/carts/{id}")).await.refuses(404, "not_found");
        ann.post(&format!("/v1/drops/{id}/claims"), "k", json!({"quantity": 1})).await.refuses(404, "not_found");
        ann.post(&format!("/v1/checkouts/{id}/confirm"), "k", json!({})).await.refuses(404, "not_found");
        vendor.post(&format!("/v1/drops/{id}/end"), "k", json!({})).await.refuses(404, "not_found");
        vendor.post(&format!("/v1/orders/{id}/fulfillments"), "k", json!({})).await.refuses(404, "not_found");
        let payment = PaymentId(id.0).key(&TenantId::new("acme").unwrap());
        shop.gateway.commerce.ask::<Payment>(&payment, PaymentCommand::View, CommandMeta::read()).await.unwrap_err();
    }
    assert_eq!(shop.gateway.commerce.entities_in_memory(), before);
}

#[tokio::test]
async fn an_unknown_id_is_dropped_after_its_last_reader() {
    let shop = Shop::open().await;
    let before = shop.gateway.commerce.entities_in_memory();
    let path = format!("/v1/orders/{}", DropId(7));
    let vendor = shop.vendor();
    futures::future::join_all((0..200).map(|_| async { vendor.get(&path).await.refuses(404, "not_found") })).await;
    assert_eq!(shop.gateway.commerce.entities_in_memory(), before);
    // Earlier reads of the id do not affect its creation.
    let ann = shop.guest().await;
    ann.post("/v1/carts", "k", json!({})).await.has(201);
    assert_eq!(shop.gateway.commerce.entities_in_memory(), before + 1);
}
