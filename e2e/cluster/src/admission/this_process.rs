//! A webhook server in this process, which runs the module as policy-server does.

use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use policy_host::{Guest as _, Policy, Registry};
use serde_json::{Value, json};

use super::{LOCAL_REGISTRY, Named, WebhookOptions, WebhookProcess};
use crate::cluster::Cluster;

/// The server, which ends when this is dropped.
pub(super) struct ThisProcess {
    handle: Handle<SocketAddr>,
}

struct Module {
    policy: Policy,
    policies: Arc<Vec<Named>>,
}

impl ThisProcess {
    /// Starts it, and waits until it answers.
    pub(super) fn start(
        cluster: &Cluster,
        module: &FilePath,
        options: &WebhookOptions,
    ) -> Result<Self> {
        let images = Registry::new()?.with_insecure(LOCAL_REGISTRY);
        let module = Module {
            policy: Policy::from_file(module)?.with_images(Arc::new(images)),
            policies: Arc::clone(&options.policies),
        };
        let app = Router::new()
            .route("/validate/{policy}", post(validate))
            .with_state(Arc::new(module));
        let address = SocketAddr::new(options.address, options.port);
        let identity = Arc::clone(&options.identity);
        let handle = Handle::new();
        let server = Self {
            handle: handle.clone(),
        };
        cluster.wait(async {
            let certificate = identity.certificate.clone().into_bytes();
            let private_key = identity.private_key.clone().into_bytes();
            let tls = RustlsConfig::from_pem(certificate, private_key).await?;
            let serve = axum_server::bind_rustls(address, tls).handle(handle.clone());
            tokio::spawn(serve.serve(app.into_make_service()));
            handle.listening().await.context("the port is taken")?;
            anyhow::Ok(())
        })?;
        Ok(server)
    }
}

impl WebhookProcess for ThisProcess {
    fn memory(&self) -> Option<f64> {
        None
    }
}

impl Drop for ThisProcess {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

async fn validate(
    State(module): State<Arc<Module>>,
    Path(policy): Path<String>,
    Json(review): Json<Value>,
) -> Json<Value> {
    let request = review["request"].clone();
    let uid = request["uid"].clone();
    let answer = tokio::task::spawn_blocking(move || {
        let mut policies = module.policies.iter();
        let policy = policies.find(|found| found.name == policy);
        let policy = policy.context("there is no such policy")?;
        anyhow::Ok(module.policy.validate(&request, &policy.settings)?)
    });
    let response = match answer.await {
        Ok(Ok(response)) => json!(response),
        Ok(Err(error)) => rejection(&uid, &format!("{error:#}")),
        Err(error) => rejection(&uid, &error.to_string()),
    };
    Json(json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    }))
}

fn rejection(uid: &Value, message: &str) -> Value {
    json!({"uid": uid, "allowed": false, "status": {"code": 500, "message": message}})
}
