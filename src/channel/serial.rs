//! `serial:/dev/ttyUSB0?baud=115200` — a serial line.

use tokio_serial::{DataBits, FlowControl, Parity, SerialPortBuilderExt, StopBits};

use super::console::{Console, Opened};
use super::{Channel, ChannelError, Login};

pub(super) fn open(rest: &str, login: &Login) -> Result<Box<dyn Channel>, ChannelError> {
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut port = tokio_serial::new(path, 115_200).data_bits(DataBits::Eight);
    for option in options.split('&').filter(|o| !o.is_empty()) {
        let wrong = || {
            ChannelError::new(format!("serial: \"{option}\" is not known"))
                .hint("baud=115200, parity=none|even|odd, stop=1|2, flow=none|rtscts|xonxoff, joined by &")
        };
        port = match option.split_once('=').ok_or_else(wrong)? {
            ("baud", rate) => port.baud_rate(rate.parse().ok().filter(|r| *r > 0).ok_or_else(wrong)?),
            ("parity", "none") => port.parity(Parity::None),
            ("parity", "even") => port.parity(Parity::Even),
            ("parity", "odd") => port.parity(Parity::Odd),
            ("stop", "1") => port.stop_bits(StopBits::One),
            ("stop", "2") => port.stop_bits(StopBits::Two),
            ("flow", "none") => port.flow_control(FlowControl::None),
            ("flow", "rtscts") => port.flow_control(FlowControl::Hardware),
            ("flow", "xonxoff") => port.flow_control(FlowControl::Software),
            _ => return Err(wrong()),
        };
    }
    let path = path.to_owned();
    let dial = move || {
        let (path, port) = (path.clone(), port.clone());
        let open = async move {
            let stream = port.open_native_async();
            stream.map(Opened::plain).map_err(|e| {
                ChannelError::new(format!("{path}: {e}"))
                    .hint("is the device there, may you open it, and has no other program (a getty, screen) it?")
            })
        };
        Box::pin(open) as super::Pending<'static, _>
    };
    Ok(Box::new(Console::new(Box::new(dial), login)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        for good in ["/dev/x", "/dev/x?baud=9600", "/dev/x?baud=9600&parity=even&stop=2&flow=rtscts"] {
            assert!(open(good, &Login::default()).is_ok(), "{good}");
        }
        for bad in ["/dev/x?baud=0", "/dev/x?baud=fast", "/dev/x?speed=1", "/dev/x?baud"] {
            assert!(open(bad, &Login::default()).is_err_and(|e| e.hint.is_some()), "{bad}");
        }
    }
}
