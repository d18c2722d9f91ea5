//! A repository's page over a whole server: the form that runs pipelines by hand with their inputs, and the schedules.

mod support;

use gantry::base::Tasks;
use gantry::web::{WebOptions, router, serve};
use reqwest::{Client, StatusCode};
use support::{App, Remote};

/// The dashboard of an app.
struct House {
    app: App,
    address: String,
    pages: Tasks,
    client: Client,
}

impl House {
    async fn open() -> Self {
        let app = App::start().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages = Tasks::default();
        let router = router(app.handle().clone(), WebOptions { tasks: pages.clone() });
        pages.spawn(serve(listener, router, pages.ending.clone()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { app, address, pages, client }
    }

    async fn page(&self, query: &str) -> String {
        let answer = self.client.get(format!("{}/repos/shop{query}", self.address)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{query}");
        answer.text().await.unwrap()
    }

    /// Sends the form as a browser does.
    async fn send(&self, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let mut form = reqwest::Url::parse("http://form").unwrap();
        form.query_pairs_mut().extend_pairs(fields);
        let request = self.client.post(format!("{}/repos/shop/runs", self.address));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.query().unwrap().to_owned());
        let answer = request.send().await.unwrap();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let status = answer.status();
        (status, to.unwrap_or(answer.text().await.unwrap()))
    }

    async fn close(self) {
        self.pages.end().await;
        self.app.close().await;
    }
}

const DEPLOY: &str = "on:
  cron: { nightly: \"0 3 * * *\" }
  manual:
    inputs:
      to: { type: choice, options: [test, live], required: true, description: \"Where <to>\" }
      level: { type: choice, options: [fast, full], default: full }
      count: { type: number, default: 2 }
      dry: { type: boolean, default: true }
      note: { type: string }
steps: [make]
";

#[tokio::test]
async fn the_form_has_what_the_pipeline_declares_and_runs_it_with_that() {
    let house = House::open().await;
    let remote = Remote::with(DEPLOY);
    house.app.watch("shop", &remote).await;
    house.app.noted("shop", "does not want").await;
    let page = house.page("").await;
    for part in [
        r#"<select name="input:to" required><option value="" selected>choose…</option><option value="test">test</option>"#,
        r#"<small>Where &#60;to&#62;</small>"#,
        r#"<option value="full" selected>full</option>"#,
        r#"<input name="number:count" value="2" type="number""#,
        r#"<input type="hidden" name="input:dry" value="false">"#,
        r#"<input type="checkbox" name="input:dry" value="true" checked>"#,
        r#"<input name="input:note" value="""#,
        "<code>0 3 * * *</code>",
        "not due yet",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains(r#"<select name="pipeline""#), "there is nothing to choose between");

    // The box was cleared and the number too.
    let fields = [("branch", ""), ("input:to", "live"), ("input:level", "fast"), ("number:count", " "), ("input:dry", "false")];
    let (status, to) = house.send(&fields).await;
    assert_eq!((status, to.starts_with("/runs/")), (StatusCode::SEE_OTHER, true), "{to}");
    let run = house.app.ended("shop", 1).await;
    let run = house.app.run(&run.id.parse().unwrap()).await;
    let given: Vec<_> = run.plan.inputs.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    assert_eq!(
        given,
        ["count=Number(\"2\")", "dry=Boolean(false)", "level=Text(\"fast\")", "note=Text(\"\")", "to=Text(\"live\")"]
    );

    let fields = [("input:to", "live"), ("input:dry", "false"), ("input:dry", "true"), ("number:count", "7")];
    house.send(&fields).await;
    let run = house.app.ended("shop", 2).await;
    let inputs = house.app.run(&run.id.parse().unwrap()).await.trigger.inputs.clone();
    assert_eq!((inputs["dry"].as_str(), inputs["count"].as_str()), ("true", "7"));

    let (status, page) = house.send(&[("input:to", "moon")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("must be one of"), "{page}");
    let (status, _) = house.send(&[("colour", "red")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(house.app.runs("shop").await.len(), 2);
    house.close().await;
}

#[tokio::test]
async fn with_several_pipelines_the_inputs_of_the_chosen_one_are_shown_and_what_was_filled_in_stays() {
    let house = House::open().await;
    let remote = Remote::empty();
    let other = "name: <b>other\non: manual\nsteps: [make]\n";
    let broken = "steps: 1\n";
    remote.commit(&[(".gantry/a.yml", DEPLOY), (".gantry/b.yml", other), (".gantry/c.yml", broken)], "first");
    house.app.watch("shop", &remote).await;
    house.app.ended("shop", 1).await;
    let page = house.page("").await;
    assert!(page.contains("Choose one pipeline to give it inputs") && !page.contains("input:to"), "{page}");
    assert!(page.contains("&#60;b&#62;other (.gantry/b.yml)") && page.contains(".gantry/c.yml (not valid)"), "{page}");

    let page =
        house.page("?branch=&pipeline=.gantry%2Fa.yml&input:to=test&input:dry=false&number:count=9&input:note=%22x%22").await;
    for part in [
        r#"<option value=".gantry/a.yml" selected>"#,
        r#"<option value="test" selected>"#,
        r#"name="number:count" value="9""#,
        r#"name="input:note" value="&#34;x&#34;""#,
        r#"name="input:dry" value="true">"#,
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(house.page("?pipeline=.gantry/c.yml").await.contains("is not a valid pipeline"));
    assert!(house.page("?pipeline=gone.yml").await.contains("has no pipeline file"));
    assert!(house.page("?branch=topic").await.contains("not known from the last poll"));
    let wrong = house.client.get(format!("{}/repos/shop?brunch=x", house.address)).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);

    // Another branch has other inputs, once it was polled.
    remote.git(&["checkout", "-q", "-b", "topic"]);
    remote.commit(&[(".gantry/a.yml", "on: { manual: { inputs: { colour: { type: string } } } }\nsteps: [make]\n")], "second");
    remote.git(&["checkout", "-q", "main"]);
    house.app.handle().sync_repo("shop").await.unwrap();
    house.app.noted("shop", "branch `topic`").await;
    assert!(house.page("?branch=topic&pipeline=.gantry/a.yml").await.contains(r#"name="input:colour""#));
    assert!(house.page("?pipeline=.gantry/a.yml").await.contains(r#"name="input:to""#));
    house.close().await;
}

#[tokio::test]
async fn the_api_takes_typed_inputs_refuses_others_with_422_and_lists_schedules() {
    let house = House::open().await;
    let remote = Remote::with(DEPLOY);
    house.app.watch("shop", &remote).await;
    house.app.noted("shop", "does not want").await;
    let post = async |body: serde_json::Value| {
        let answer = house.client.post(format!("{}/api/v1/repos/shop/runs", house.address)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    let (status, _) =
        post(serde_json::json!({ "inputs": { "to": "test", "count": 1.5, "dry": false }, "pipeline": "gantry" })).await;
    assert_eq!(status, 201);
    let run = house.app.ended("shop", 1).await;
    let inputs = house.app.run(&run.id.parse().unwrap()).await.trigger.inputs.clone();
    assert_eq!((inputs["count"].as_str(), inputs["dry"].as_str()), ("1.5", "false"));
    for (body, says) in [
        (serde_json::json!({ "inputs": { "to": ["test"] } }), "must be a text, a number, true or false"),
        (serde_json::json!({ "inputs": { "to": "test", "size": 1 } }), "no input `size`"),
        (serde_json::json!({ "inputs": { "to": "test", "count": "many" } }), "must be a number"),
        (serde_json::json!({}), "the input `to` must be given"),
        (serde_json::json!({ "pipeline": "none" }), "no pipeline `none`"),
    ] {
        let (status, problem) = post(body).await;
        assert_eq!((status, problem["status"].as_u64()), (422, Some(422)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    assert_eq!(house.app.runs("shop").await.len(), 1);

    let answer = house.client.get(format!("{}/api/v1/repos/shop/schedules", house.address)).send().await.unwrap();
    let list: serde_json::Value = answer.json().await.unwrap();
    let schedule = &list["items"][0];
    assert_eq!(
        (&schedule["name"], &schedule["expression"], &schedule["timezone"]),
        (&"nightly".into(), &"0 3 * * *".into(), &"UTC".into())
    );
    assert!(schedule["next_at"].is_i64() && schedule["last"].is_null(), "{schedule}");
    house.close().await;
}
