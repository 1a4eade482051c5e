"""Warp kernels of the ray caster: camera, tracing, shading and film.

A picture is made in steps, each one launch over a list of pixels: rays leave the camera, a
tracer finds what they hit, hits are shaded, a tracer finds which are in shadow, and the film
takes them up. All that a pixel needs depends on its scene and its position alone, so the bytes
are the same whatever the order, size and splitting of the list.
"""

from __future__ import annotations

import warp as wp

from simtailor.render.raycast.geometry import (
    camera_direction,
    hit_clear_top,
    local_ray,
    misses_box,
)
from simtailor.render.raycast.records import Assets, InstanceRecord, Rays, SceneRecord
from simtailor.render.raycast.shading import (
    PI,
    encoded,
    normal_of,
    reflected_light,
    sky_radiance,
)

FAR = wp.constant(1.0e6)
MAXIMUM_RADIANCE = wp.constant(20.0)
SHADOW_OFFSET = wp.constant(2.0e-3)
CENTRE = wp.constant(-1)  # instead of a sample's number: a pinhole ray through the pixel's centre


@wp.kernel(enable_backward=False)
def start_rays(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    width: int,
    height: int,
    sample: int,
    samples: int,
):
    """Send a ray a pixel. The first sample, or ``CENTRE``, begins the pixel's random numbers."""
    i = wp.tid()
    scene = scenes[rays.scene[i]]
    pixel = rays.pixel[i]
    if sample <= 0:
        rays.random[i] = wp.rand_init(scene.seed, pixel)
        rays.total[i] = wp.vec3(0.0)
    random = rays.random[i]
    jitter_x = float(0.5)
    jitter_y = float(0.5)
    lens_x = float(0.0)
    lens_y = float(0.0)
    if sample >= 0:
        if samples > 1:
            jitter_x = (float(sample) + wp.randf(random)) / float(samples)
            jitter_y = wp.randf(random)
        if scene.aperture > 0.0:
            radius = wp.sqrt(wp.randf(random)) * scene.aperture
            angle = 2.0 * PI * wp.randf(random)
            lens_x = radius * wp.cos(angle)
            lens_y = radius * wp.sin(angle)
    light = scene.light_direction
    if scene.light_softness > 0.0:
        light = wp.normalize(
            light
            + wp.vec3(wp.randf(random) - 0.5, wp.randf(random) - 0.5, wp.randf(random) - 0.5)
            * (2.0 * scene.light_softness)
        )
    rays.random[i] = random
    x = float(pixel % width) + jitter_x
    y = float(pixel / width) + jitter_y
    through = camera_direction(scene, x, y, width, height) * scene.focus
    through -= wp.vec3(lens_x, lens_y, 0.0)
    rays.origin[i] = scene.eye + scene.camera * wp.vec3(lens_x, lens_y, 0.0)
    rays.direction[i] = wp.normalize(scene.camera * through)
    rays.light[i] = light
    rays.distance[i] = FAR
    rays.instance[i] = -1


@wp.kernel(enable_backward=False)
def trace_rays(rays: Rays, instances: wp.array2d(dtype=InstanceRecord), assets: Assets):
    """Find the nearest hit of each ray with Warp's own hierarchies."""
    i = wp.tid()
    s = rays.scene[i]
    for k in range(instances.shape[1]):
        instance = instances[s, k]
        if instance.mesh >= 0:
            mesh = assets.meshes[instance.mesh]
            origin, direction = local_ray(instance, rays.origin[i], rays.direction[i])
            if not hit_clear_top(
                rays, i, k, assets, instance, origin, direction
            ) and not misses_box(origin, direction, mesh.low, mesh.high):
                nearest = rays.distance[i]
                query = wp.mesh_query_ray(mesh.id, origin, direction, nearest / instance.scale)
                if query.result:
                    if query.t * instance.scale < nearest:
                        rays.distance[i] = query.t * instance.scale
                        rays.instance[i] = k
                        rays.face[i] = query.face
                        rays.weights[i] = wp.vec2(query.u, query.v)


@wp.kernel(enable_backward=False)
def trace_shadows(rays: Rays, instances: wp.array2d(dtype=InstanceRecord), assets: Assets):
    """Find which rays towards the light are blocked, with Warp's own hierarchies."""
    i = wp.tid()
    s = rays.scene[i]
    shadow = rays.shadowed[i] > 0
    for k in range(instances.shape[1]):
        instance = instances[s, k]
        if instance.mesh >= 0 and instance.casts_shadow > 0 and not shadow:
            mesh = assets.meshes[instance.mesh]
            origin, direction = local_ray(instance, rays.lit_point[i], rays.light[i])
            if not misses_box(origin, direction, mesh.low, mesh.high):
                shadow = wp.mesh_query_ray_anyhit(mesh.id, origin, direction, FAR)
    rays.shadowed[i] = int(shadow)


@wp.kernel(enable_backward=False)
def aim_at_light(rays: Rays, instances: wp.array2d(dtype=InstanceRecord), assets: Assets):
    """Find the surface that each ray meets, and where its ray towards the light starts."""
    i = wp.tid()
    k = rays.instance[i]
    shadowed = int(1)
    if k >= 0:
        instance = instances[rays.scene[i], k]
        direction = rays.direction[i]
        normal = normal_of(assets, instance, rays.face[i], rays.weights[i], direction)
        rays.normal[i] = normal
        if wp.dot(normal, rays.light[i]) > 0.0:
            shadowed = 0
            point = rays.origin[i] + direction * rays.distance[i]
            rays.lit_point[i] = point + normal * SHADOW_OFFSET
    rays.shadowed[i] = shadowed


@wp.kernel(enable_backward=False)
def shade_hits(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    instances: wp.array2d(dtype=InstanceRecord),
    assets: Assets,
    width: int,
    samples: int,
    last: int,
    drawn: int,
    images: wp.array3d(dtype=wp.uint8),
):
    """Add the light that each ray brings to its pixel; the last writes it: [B, pixels, 3].

    Args:
        last: whether this is the last of the pixel's ``samples``.
        drawn: the instance whose lit clear top the images show already, or -1.
    """
    i = wp.tid()
    k = rays.instance[i]
    shadowed = rays.shadowed[i]
    if k == drawn and k >= 0 and shadowed == 0 and rays.face[i] < 2:
        return
    s = rays.scene[i]
    scene = scenes[s]
    direction = rays.direction[i]
    colour = wp.vec3()
    if k < 0:
        colour = sky_radiance(assets, scene, direction)
    else:
        pixel_angle = 2.0 * scene.tangent / float(width)
        colour, direct = reflected_light(
            assets,
            scene,
            instances[s, k],
            rays.face[i],
            rays.weights[i],
            rays.normal[i],
            direction,
            rays.light[i],
            rays.distance[i] * pixel_angle,
            shadowed == 0,
        )
        colour += direct
    total = rays.total[i] + wp.min(colour, wp.vec3(MAXIMUM_RADIANCE))
    if last > 0:
        levels = encoded(wp.cw_mul(total, scene.exposure / float(samples)))
        for channel in range(3):
            images[s, rays.pixel[i], channel] = wp.uint8(levels[channel] + 0.5)
    else:
        rays.total[i] = total


@wp.kernel(enable_backward=False)
def look(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    instances: wp.array2d(dtype=InstanceRecord),
    masks: wp.array2d(dtype=wp.uint8),
    depth: wp.array2d(dtype=float),
):
    """Write label and depth of what the rays hit; an array without elements is passed over."""
    i = wp.tid()
    s = rays.scene[i]
    k = rays.instance[i]
    label = int(0)
    seen = float(wp.inf)
    if k >= 0:
        label = instances[s, k].label
        seen = rays.distance[i] * wp.dot(
            rays.direction[i], scenes[s].camera * wp.vec3(0.0, 0.0, -1.0)
        )
    if masks.shape[0] > 0:
        masks[s, rays.pixel[i]] = wp.uint8(label)
    if depth.shape[0] > 0:
        depth[s, rays.pixel[i]] = seen


@wp.kernel(enable_backward=False)
def mark_contrast(
    images: wp.array3d(dtype=wp.uint8),
    width: int,
    height: int,
    reach: int,
    threshold: int,
    marks: wp.array2d(dtype=wp.uint8),
):
    """Mark pixels within whose reach some channel's levels differ by more than the threshold."""
    s, row, column = wp.tid()
    most = int(0)
    for channel in range(3):
        low = int(255)
        high = int(0)
        for y in range(wp.max(row - reach, 0), wp.min(row + reach + 1, height)):
            for x in range(wp.max(column - reach, 0), wp.min(column + reach + 1, width)):
                level = int(images[s, y * width + x, channel])
                low = wp.min(low, level)
                high = wp.max(high, level)
        most = wp.max(most, high - low)
    marks[s, row * width + column] = wp.uint8(most > threshold)
