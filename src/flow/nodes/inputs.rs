//! What a node takes in: nothing, an output, several of different types, or any number of one type.

use std::sync::Arc;

use super::FlowBuilder;
use super::ports::{Output, Shared, Signal};
use super::program::Firing;

/// What a node takes in: `()`, an [`Output`], a [`Shared`] one or a [`Signal`], a tuple of up to eight of these, or
/// a `Vec` or an array of those of one type. Nothing else can be.
pub trait Inputs: Sized + 'static {
    /// What the node's closure gets.
    type Values: Send;
    /// What its reverse gives: a message for each producer.
    type Back: Send;

    /// Leads each of them to a port of its own; gives the connections.
    #[doc(hidden)]
    fn connect(self, flow: &mut FlowBuilder) -> Vec<usize>;

    /// Takes one message out of each of `ports` ports, from number `port` on.
    #[doc(hidden)]
    fn receive(firing: &Firing<'_>, port: &mut usize, ports: usize)
    -> Result<Self::Values, String>;

    /// Sends a message back to each producer, from number `input` on.
    #[doc(hidden)]
    fn send_back(back: Self::Back, firing: &Firing<'_>, input: &mut usize) -> Result<(), String>;
}

/// The number of the next port or producer.
fn next(number: &mut usize) -> usize {
    *number += 1;
    *number - 1
}

/// One output.
pub trait One: Inputs {}

impl<T: Send + 'static, B: Send + 'static> One for Output<T, B> {}
impl<T: Send + Sync + 'static, B: Send + 'static> One for Shared<T, B> {}
impl One for Signal {}

impl Inputs for () {
    type Values = ();
    type Back = ();

    fn connect(self, _flow: &mut FlowBuilder) -> Vec<usize> {
        Vec::new()
    }

    fn receive(_: &Firing<'_>, _: &mut usize, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn send_back((): (), _: &Firing<'_>, _: &mut usize) -> Result<(), String> {
        Ok(())
    }
}

impl<T: Send + 'static, B: Send + 'static> Inputs for Output<T, B> {
    type Values = T;
    type Back = B;

    fn connect(self, flow: &mut FlowBuilder) -> Vec<usize> {
        vec![flow.lead_on::<T>(self.emitter.flow, self.emitter.output)]
    }

    #[inline]
    fn receive(firing: &Firing<'_>, port: &mut usize, _: usize) -> Result<T, String> {
        firing.take(next(port))
    }

    fn send_back(back: B, firing: &Firing<'_>, input: &mut usize) -> Result<(), String> {
        firing.send_back(next(input), Box::new(back));
        Ok(())
    }
}

impl<T: Send + Sync + 'static, B: Send + 'static> Inputs for Shared<T, B> {
    type Values = Arc<T>;
    type Back = B;

    fn connect(self, flow: &mut FlowBuilder) -> Vec<usize> {
        vec![flow.lead_on::<T>(self.flow, self.output)]
    }

    #[inline]
    fn receive(firing: &Firing<'_>, port: &mut usize, _: usize) -> Result<Arc<T>, String> {
        firing.take_shared(next(port))
    }

    fn send_back(back: B, firing: &Firing<'_>, input: &mut usize) -> Result<(), String> {
        firing.send_back(next(input), Box::new(back));
        Ok(())
    }
}

/// A signal is counted, and nothing else.
impl Inputs for Signal {
    type Values = ();
    type Back = ();

    fn connect(self, flow: &mut FlowBuilder) -> Vec<usize> {
        vec![flow.lead_on::<()>(self.flow, self.output)]
    }

    #[inline]
    fn receive(_: &Firing<'_>, port: &mut usize, _: usize) -> Result<(), String> {
        next(port);
        Ok(())
    }

    fn send_back((): (), _: &Firing<'_>, input: &mut usize) -> Result<(), String> {
        next(input);
        Ok(())
    }
}

/// Any number of inputs of one type.
impl<W: One> Inputs for Vec<W> {
    type Values = Vec<W::Values>;
    type Back = Vec<W::Back>;

    fn connect(self, flow: &mut FlowBuilder) -> Vec<usize> {
        self.into_iter().flat_map(|input| input.connect(flow)).collect()
    }

    fn receive(
        firing: &Firing<'_>,
        port: &mut usize,
        ports: usize,
    ) -> Result<Self::Values, String> {
        let mut values = Vec::with_capacity(ports - *port);
        while *port < ports {
            values.push(W::receive(firing, port, ports)?);
        }
        Ok(values)
    }

    fn send_back(back: Self::Back, firing: &Firing<'_>, input: &mut usize) -> Result<(), String> {
        let (found, expected) = (back.len(), firing.producers() - *input);
        if found != expected {
            return Err(format!("it sends {found} messages back, but has {expected} producers"));
        }
        back.into_iter().try_for_each(|back| W::send_back(back, firing, input))
    }
}

impl<W: One, const N: usize> Inputs for [W; N] {
    type Values = [W::Values; N];
    type Back = [W::Back; N];

    fn connect(self, flow: &mut FlowBuilder) -> Vec<usize> {
        self.into_iter().flat_map(|input| input.connect(flow)).collect()
    }

    fn receive(
        firing: &Firing<'_>,
        port: &mut usize,
        ports: usize,
    ) -> Result<Self::Values, String> {
        let mut values = Vec::with_capacity(N);
        for _ in 0..N {
            values.push(W::receive(firing, port, ports)?);
        }
        values.try_into().map_err(|_| "a message is missing".to_owned())
    }

    fn send_back(back: Self::Back, firing: &Firing<'_>, input: &mut usize) -> Result<(), String> {
        back.into_iter().try_for_each(|back| W::send_back(back, firing, input))
    }
}

/// Inputs of different types.
macro_rules! tuple {
    ($($letter:ident $value:ident),+) => {
        impl<$($letter: One),+> Inputs for ($($letter,)+) {
            type Values = ($($letter::Values,)+);
            type Back = ($($letter::Back,)+);

            fn connect(self, flow: &mut FlowBuilder) -> Vec<usize> {
                let ($($value,)+) = self;
                let mut ports = Vec::new();
                $(ports.extend($value.connect(flow));)+
                ports
            }

            #[inline]
            fn receive(
                firing: &Firing<'_>,
                port: &mut usize,
                ports: usize,
            ) -> Result<Self::Values, String> {
                Ok(($($letter::receive(firing, port, ports)?,)+))
            }

            fn send_back(
                back: Self::Back,
                firing: &Firing<'_>,
                input: &mut usize,
            ) -> Result<(), String> {
                let ($($value,)+) = back;
                $($letter::send_back($value, firing, input)?;)+
                Ok(())
            }
        }
    };
}

tuple!(A a);
tuple!(A a, B b);
tuple!(A a, B b, C c);
tuple!(A a, B b, C c, D d);
tuple!(A a, B b, C c, D d, E e);
tuple!(A a, B b, C c, D d, E e, F f);
tuple!(A a, B b, C c, D d, E e, F f, G g);
tuple!(A a, B b, C c, D d, E e, F f, G g, H h);
