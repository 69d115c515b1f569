//! Names and texts in all scripts, and in all Unicode forms that keyboards and files produce.

use serde_json::{Value, json};

use crate::testing::{Shop, Visitor, eventually, payment};

/// `é` as two code points, as macOS and some keyboards produce it.
const DECOMPOSED: &str = "Cafe\u{301} Frappe\u{301}";

fn product(title: &str, sku: &str) -> Value {
    json!({"title": title, "variants": [{"sku": sku, "price": {"amount": 500, "currency": "USD"}}]})
}

async fn titles(visitor: &Visitor<'_>, query: &str) -> Vec<String> {
    let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = visitor.get(&format!("/v1/products?query={query}")).await.has(200);
    answer.items().iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_name_is_the_same_in_every_form() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let made = vendor.post("/v1/products", "a", product(DECOMPOSED, "cafe\u{301}")).await.has(201);
    assert_eq!((made.text("/title"), made.text("/handle")), ("Café Frappé", "café-frappé"));
    assert_eq!(made.text("/variants/0/sku"), "café");
    let again = json!({"title": "Other", "handle": "cafe\u{301}-frappe\u{301}",
        "variants": [{"sku": "X", "price": {"amount": 500, "currency": "USD"}}]});
    vendor.post("/v1/products", "b", again).await.refuses(409, "handle_taken");
    for path in ["/v1/inventory/cafe%CC%81", "/v1/inventory/caf%C3%A9"] {
        assert_eq!(vendor.get(path).await.has(200).text("/sku"), "café");
    }
}

#[tokio::test]
async fn one_account_has_every_spelling_of_its_address() {
    let shop = Shop::open().await;
    let password = "Cre\u{300}me bru\u{302}le\u{301}e";
    let account = json!({"email": "Rene\u{301}@mu\u{308}nchen.example", "password": password});
    let made = shop.guest().await.post("/v1/accounts", "", account).await.has(201);
    for (email, password) in [
        ("rené@münchen.example", "Crème brûlée"),
        ("rene\u{301}@xn--mnchen-3ya.example", "Crème\u{a0}brûlée"),
        ("RENÉ@XN--MNCHEN-3YA.EXAMPLE", password),
    ] {
        let credentials = json!({"email": email, "password": password});
        let session = shop.nobody().post("/v1/sessions", "", credentials.clone()).await.has(201);
        assert_eq!(session.text("/subject"), made.text("/subject"), "{email}");
        shop.guest().await.post("/v1/accounts", "", credentials).await.refuses(409, "email_taken");
    }
    for email in ["हिन्दी@उदाहरण.भारत", "สมชาย@ตัวอย่าง.ไทย", "שָׁלוֹם@דוגמה.ישראל"]
    {
        let account = json!({"email": email, "password": "correct horse"});
        shop.guest().await.post("/v1/accounts", "", account).await.has(201);
    }
}

#[tokio::test]
async fn a_password_of_the_former_form_is_accepted_and_rehashed() {
    let shop = Shop::open().await;
    let (tenant, email) = (engine::id::TenantId::new("acme").unwrap(), "ann@example.com");
    let session = json!({"email": email, "password": "correct horse"});
    let made = shop.guest().await.post("/v1/accounts", "", session).await.has(201);
    let subject = made.text("/subject").parse().unwrap();
    // As an earlier version hashed it: the bytes as they were entered.
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let typed = "cafe\u{301} au lait";
    let former = argon2::PasswordHasher::hash_password(&argon2, typed.as_bytes()).unwrap().to_string();
    shop.gateway.read_side.set_password(&tenant, subject, None, &former).await.unwrap();
    for password in [typed, "café au lait"] {
        let credentials = json!({"email": email, "password": password});
        shop.nobody().post("/v1/sessions", "", credentials).await.has(201);
    }
    let account = shop.gateway.read_side.account(&tenant, subject).await.unwrap().unwrap();
    assert_ne!(account.password.as_deref(), Some(former.as_str()));
}

#[tokio::test]
async fn products_are_found_in_every_script_and_by_their_skus() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let all = [
        ("ŁUKASZ", "L-1"),
        ("Łóżko drewniane", "BED-77/OAK"),
        ("Книга ПЕТРОВ", "RU 5"),
        ("京都抹茶クッキー", "JP"),
        ("น้ำหอมกลิ่นกุหลาบ", "TH"),
        ("हिन्दी किताब", "HI"),
        ("서울말차쿠키", "KO"),
        ("İSTANBUL Çayı", "TR"),
        ("Straße", "DE"),
        ("Σίσυφος", "GR"),
    ];
    for (title, sku) in all {
        vendor.post("/v1/products", sku, product(title, sku)).await.has(201);
    }
    let list = || vendor.get("/v1/products?limit=200");
    eventually(list, |answer| answer.items().len() == all.len()).await;
    let buyer = shop.nobody();
    for (query, title) in [
        ("łukasz", "ŁUKASZ"),
        ("lukasz", "ŁUKASZ"),
        ("lozko", "Łóżko drewniane"),
        ("ŁÓŻKO DREW", "Łóżko drewniane"),
        ("bed-77", "Łóżko drewniane"),
        ("BED-77/OAK", "Łóżko drewniane"),
        ("петров", "Книга ПЕТРОВ"),
        ("抹茶", "京都抹茶クッキー"),
        ("茶", "京都抹茶クッキー"),
        ("京都 クッキー", "京都抹茶クッキー"),
        ("ｸｯｷｰ", "京都抹茶クッキー"),
        ("กุหลาบ", "น้ำหอมกลิ่นกุหลาบ"),
        ("น้ำหอม", "น้ำหอมกลิ่นกุหลาบ"),
        ("हिन्दी", "हिन्दी किताब"),
        ("말차", "서울말차쿠키"),
        ("istanbul cayi", "İSTANBUL Çayı"),
        ("STRASSE", "Straße"),
        ("σισυφοσ", "Σίσυφος"),
    ] {
        assert_eq!(titles(&buyer, query).await, [title], "{query}");
    }
    for query in ["茶抹", "都茶", "ukasz", "हिन्दू", "쿠말"] {
        assert_eq!(titles(&buyer, query).await, [""; 0], "{query}");
    }
}

#[tokio::test]
async fn a_product_is_found_by_its_current_skus_only() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let made = vendor.post("/v1/products", "p", product("Lamp", "FIRST-1")).await.has(201);
    let (path, variant) = (format!("/v1/products/{}", made.text("/id")), made.text("/variants/0/id"));
    let edit = json!({"variants": [{"id": variant, "sku": "SECOND-2"}]});
    vendor.patch(&path, &format!("\"{}\"", made.number("/version")), edit).await.has(200);
    eventually(|| vendor.get("/v1/products?query=second-2"), |answer| answer.items().len() == 1).await;
    assert_eq!(titles(&shop.nobody(), "first-1").await, [""; 0]);
}

#[tokio::test]
async fn orders_are_found_by_number_sku_and_names_of_every_script() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let buyer = shop.guest().await;
    let claim = buyer.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let mut body = payment("tok_approve", json!({"claims": [claim.text("/id")]}));
    body["shipping_address"]["name"] = json!("Łukasz ПЕТРОВ");
    let checkout = buyer.post("/v1/checkouts", "pay", body).await.has(201);
    let vendor = shop.vendor();
    let order = format!("/v1/orders/{}", checkout.text("/order_id"));
    let number = eventually(|| vendor.get(&order), |answer| answer.status == 200).await.text("/number").to_owned();
    let find = async |query: &str| {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        vendor.get(&format!("/v1/orders?query={query}")).await.has(200).items().len()
    };
    eventually(|| vendor.get("/v1/orders"), |answer| answer.items().len() == 1).await;
    let (with_sign, small) = (format!("#{number}"), number.to_lowercase());
    for query in
        [&number[..], &with_sign, &small, "s", "петров", "LUKASZ", "łukasz петров", "петров ann@example", "Sale"]
    {
        assert_eq!(find(query).await, 1, "{query}");
    }
    for query in ["#", "иванов", "łukasz иванов", "#00000000"] {
        let found = find(query).await;
        assert_eq!(found, 0, "{query}");
    }
}

#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    shop.stock(20, &["S"]).await;
    let order = async |key: &str| {
        let drop = shop.open_drop_of("S", 1, &format!("drop {key}")).await;
        let buyer = shop.guest().await;
        let claim = buyer.post(&format!("/v1/drops/{drop}/claims"), key, json!({"quantity": 1})).await.has(201);
        let body = payment("tok_approve", json!({"claims": [claim.text("/id")]}));
        let checkout = buyer.post("/v1/checkouts", key, body).await.has(201);
        let path = format!("/v1/orders/{}", checkout.text("/order_id"));
        eventually(|| vendor.get(&path), |answer| answer.status == 200).await;
        path
    };
    for letter in ["a", "茶", "🍵"] {
        let path = order(&format!("cancel {}", letter.len())).await;
        let cancel = |n| json!({"reason": letter.repeat(n), "restock": false});
        vendor.post(&format!("{path}/cancel"), "a", cancel(501)).await.refuses(422, "out_of_range");
        vendor.post(&format!("{path}/cancel"), "b", cancel(500)).await.has(200);
        let path = order(&format!("send {}", letter.len())).await;
        let send = |n| json!({"tracking": letter.repeat(n)});
        vendor.post(&format!("{path}/fulfillments"), "a", send(501)).await.refuses(422, "out_of_range");
        vendor.post(&format!("{path}/fulfillments"), "b", send(500)).await.has(201);
        let named = |n| {
            let title = letter.repeat(n);
            json!({"title": title, "handle": letter.repeat(n.min(255)), "variants": [{"sku": letter.repeat(n),
                "price": {"amount": 5, "currency": "USD"}}]})
        };
        // A handle contains no emoji.
        if letter != "🍵" {
            vendor.post("/v1/products", &format!("a{}", letter.len()), named(256)).await.refuses(422, "out_of_range");
            let made = vendor.post("/v1/products", &format!("b{}", letter.len()), named(255)).await.has(201);
            assert_eq!(made.text("/handle").chars().count(), 255);
        }
    }
    for letter in ["a", "茶"] {
        let drop = |n: usize| {
            json!({"title": letter.repeat(n), "sku": "S", "quantity": 1,
            "price": {"amount": 5, "currency": "USD"}, "per_buyer_max": 1, "hold_seconds": 60, "ends_at": "2099-01-01T00:00:00Z"})
        };
        vendor.post("/v1/drops", &format!("a{}", letter.len()), drop(256)).await.refuses(422, "out_of_range");
        vendor.post("/v1/drops", &format!("b{}", letter.len()), drop(255)).await.has(201);
    }
}
