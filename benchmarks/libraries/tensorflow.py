"""TensorFlow: a GradientTape and Keras's Adam in one tf.function."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import losses
import tensorflow as tf
import workloads


class Ops(losses.Ops):
    exp, log, sum, relu, elu, sigmoid, reshape = map(staticmethod, (
        tf.exp, tf.math.log, tf.reduce_sum, tf.nn.relu, tf.nn.elu, tf.sigmoid, tf.reshape))

    def affine(self, x: Any, W: Any, b: Any) -> Any:
        return tf.nn.bias_add(tf.matmul(x, W), b)

    def affine_transposed(self, x: Any, W: Any, b: Any) -> Any:
        return tf.nn.bias_add(tf.matmul(x, W, transpose_b=True), b)

    def leaky_relu(self, x: Any) -> Any:
        return tf.nn.leaky_relu(x, losses.ALPHA)

    def bce(self, logits: Any, x: Any) -> Any:
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))

    def squared(self, y: Any, x: Any) -> Any:
        return tf.reduce_sum(tf.math.squared_difference(y, x))

    def mean(self, x: Any) -> Any:
        return tf.reduce_mean(x, axis=0)

    def conv(self, x: Any, W: Any, b: Any) -> Any:
        return tf.nn.bias_add(tf.nn.conv2d(x, W, 2, PADDING), b)

    def conv_transpose(self, x: Any, W: Any, b: Any) -> Any:
        n, h, v, _ = x.shape
        return tf.nn.bias_add(tf.nn.conv2d_transpose(x, W, (n, 2 * h, 2 * v, W.shape[2]), 2, PADDING), b)


PADDING = [[0, 0], [1, 1], [1, 1], [0, 0]]


def build(w: workloads.Workload) -> Callable[[], Any]:
    ops, noise = Ops(), workloads.noise(w)
    x, target = map(tf.constant, workloads.batch(w))
    p = {name: tf.Variable(a) for name, a in workloads.weights(w).items()}
    optimizer = keras.optimizers.Adam(w.lr, *w.betas, epsilon=w.eps)
    optimizer.build(list(p.values()))

    @tf.function
    def train(x: Any, target: Any, e: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = losses.loss(w, ops, p, x, target, e)
        optimizer.apply_gradients(zip(tape.gradient(loss, list(p.values())), p.values(), strict=True))
        return loss

    def step() -> Any:
        e = next(noise)
        return train(x, target, None if e is None else tf.constant(e))
    return step


def chain(n: int) -> Callable[[], Any]:
    """Without tf.function, which would add up the constants at compile time."""
    x, one = tf.Variable([1.0]), tf.constant([1.0])

    def run() -> Any:
        with tf.GradientTape() as tape:
            y = x
            for _ in range(n):
                y = y + one
        return tape.gradient(y, x)
    return run
