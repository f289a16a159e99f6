// The lean peer: onnxruntime behind hyper on one thread. lean PORT MODEL.onnx
// SPDX-License-Identifier: Apache-2.0
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ort::session::{builder::GraphOptimizationLevel, Session};
use ort::value::Tensor;
use serde::Deserialize;

#[derive(Deserialize)]
struct Passenger {
    pclass: f32,
    sex: String,
    age: f32,
    sibsp: f32,
    parch: f32,
    fare: f32,
    embarked: String,
}

#[derive(Deserialize)]
struct Body {
    rows: Vec<Passenger>,
}

fn predict(session: &mut Session, body: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let body: Body = serde_json::from_slice(body)?;
    let n = body.rows.len();
    let rows: &[Passenger] = &body.rows;
    let number = |get: fn(&Passenger) -> f32| Tensor::from_array(([n, 1], rows.iter().map(get).collect::<Vec<f32>>()));
    let text = |get: fn(&Passenger) -> &String| {
        let values: Vec<String> = rows.iter().map(|row| get(row).clone()).collect();
        Tensor::from_string_array(([n, 1], &values[..]))
    };
    let inputs = ort::inputs! {
        "pclass" => number(|p| p.pclass)?,
        "sex" => text(|p| &p.sex)?,
        "age" => number(|p| p.age)?,
        "sibsp" => number(|p| p.sibsp)?,
        "parch" => number(|p| p.parch)?,
        "fare" => number(|p| p.fare)?,
        "embarked" => text(|p| &p.embarked)?,
    };
    let outputs = session.run(inputs)?;
    let (_, labels) = outputs[0].try_extract_tensor::<i64>()?;
    let (shape, scores) = outputs[1].try_extract_tensor::<f32>()?;
    let columns = shape[1] as usize;
    let mut answer = String::from("{\"predictions\":[");
    for (i, label) in labels.iter().enumerate() {
        let row = &scores[i * columns..(i + 1) * columns];
        if i > 0 {
            answer.push(',');
        }
        answer.push_str(&format!("{{\"label\":{label},\"probabilities\":{{\"0\":{},\"1\":{}}}}}", row[0], row[1]));
    }
    answer.push_str("]}\n");
    Ok(answer)
}

async fn answer(session: Rc<RefCell<Session>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let json = |status, text: String| {
        Response::builder().status(status).header("Content-Type", "application/json").body(Full::new(Bytes::from(text))).unwrap()
    };
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) => return Ok(json(StatusCode::BAD_REQUEST, e.to_string())),
    };
    let result = predict(&mut session.borrow_mut(), &body);
    Ok(match result {
        Ok(text) => json(StatusCode::OK, text),
        Err(e) => json(StatusCode::BAD_REQUEST, e.to_string()),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let environment = ort::environment::init().build()?;
    let session = Session::builder(&environment)?
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .commit_from_file(&arguments[2])?;
    let session = Rc::new(RefCell::new(session));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", arguments[1])).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let session = session.clone();
            tokio::task::spawn_local(async move {
                let service = service_fn(move |request| answer(session.clone(), request));
                let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}
