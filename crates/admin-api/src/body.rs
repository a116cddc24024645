//! Reading the body of a request: all of it, up to a size, within a time.

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portolan_api_types::{ErrorCode, Problem};

use crate::state::ApiState;

/// Reads a body.
///
/// # Errors
/// `PAYLOAD_TOO_LARGE`, `REQUEST_TIMEOUT`, and `INVALID_JSON` when the body breaks off. The rest of the
/// body stays unread then, so the connection cannot be used again.
pub(crate) async fn read_body(state: &ApiState, body: Body) -> Result<Bytes, Problem> {
    let settings = &state.inner.settings;
    let limited = Limited::new(body, settings.body_bytes_max);
    let runtime = &state.control().runtime;
    match runtime.timeout_ms(settings.body_timeout_ms, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let max = settings.body_bytes_max;
            let detail = format!("The body is larger than {max} bytes.");
            Err(Problem::new(ErrorCode::PayloadTooLarge, detail).with(max))
        }
        Ok(Err(_)) => {
            Err(Problem::new(ErrorCode::InvalidJson, "The body ended before its length."))
        }
        Err(_) => Err(Problem::new(ErrorCode::RequestTimeout, "The body did not arrive in time.")),
    }
}
