//! Shared test code of this crate: a database in a temporary folder, with two tenants.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use engine::{
    id::{SubjectId, TenantId},
    money::Currency,
    time::Timestamp,
};

use super::{NewAccount, ReadSide, Role, Tenant};

/// A database with the tenants `acme` and `bolt`.
pub(crate) struct Shop {
    pub(crate) read_side: ReadSide,
    folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let read_side = ReadSide::open(&folder.path().join("fusion.sqlite")).await.unwrap();
        for name in ["acme", "bolt"] {
            add_tenant(&read_side, name).await;
        }
        Self { read_side, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("fusion.sqlite")
    }

    /// Creates an account of `acme` with the address `<name>@example.com`.
    pub(crate) async fn customer(&self, name: &str) -> SubjectId {
        self.customer_of("acme", name).await
    }

    pub(crate) async fn customer_of(&self, tenant_name: &str, name: &str) -> SubjectId {
        let account = NewAccount {
            subject: subject(&format!("{tenant_name}/{name}")),
            email: format!("{name}@example.com"),
            password: Some(format!("phc of {name}")),
            role: Role::Customer,
            created_at: Timestamp(1_000),
        };
        self.read_side.create_account(&tenant(tenant_name), &account).await.unwrap();
        account.subject
    }
}

pub(crate) async fn add_tenant(read_side: &ReadSide, name: &str) {
    let new = Tenant {
        tenant: tenant(name),
        currency: Currency::USD,
        hosts: Vec::new(),
        settings: serde_json::Map::new(),
        created_at: Timestamp(1),
    };
    read_side.create_tenant(&new).await.unwrap();
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn subject(name: &str) -> SubjectId {
    SubjectId::derive(&[name.as_bytes()])
}
